"""Room aliases of this server."""

from oriz_matrix.protocol.identifiers import RoomAlias
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid


def add(tx: Transaction, alias: RoomAlias, room: RoomNid, creator: UserNid, now_ms: int) -> None:
    """Points an alias to a room. Raises Duplicate when it points somewhere already."""
    sql = "INSERT INTO aliases (alias, room, creator, created_at) VALUES (:alias, :room, :creator, :now)"
    tx.run(sql, alias=alias, room=room, creator=creator, now=now_ms)


def find(tx: Transaction, alias: RoomAlias) -> RoomNid | None:
    """The room that an alias points to."""
    room: RoomNid | None = tx.value("SELECT room FROM aliases WHERE alias = :alias", alias=alias)
    return room
