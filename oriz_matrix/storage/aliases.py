"""Room aliases of this server."""

from typing import NamedTuple

from oriz_matrix.protocol.identifiers import RoomAlias
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid


class Alias(NamedTuple):
    """Where an alias points to, and who made it."""

    room: RoomNid
    creator: UserNid


def add(tx: Transaction, alias: RoomAlias, room: RoomNid, creator: UserNid, now_ms: int) -> None:
    """Points an alias to a room. Raises Duplicate when it points somewhere already."""
    sql = "INSERT INTO aliases (alias, room, creator, created_at) VALUES (:alias, :room, :creator, :now)"
    tx.run(sql, alias=alias, room=room, creator=creator, now=now_ms)


def find(tx: Transaction, alias: RoomAlias) -> RoomNid | None:
    """The room that an alias points to."""
    room: RoomNid | None = tx.value("SELECT room FROM aliases WHERE alias = :alias", alias=alias)
    return room


def hold(tx: Transaction, alias: RoomAlias) -> Alias | None:
    """The alias, held until the transaction ends: for who decides whether it may be removed."""
    row = tx.one("SELECT room, creator FROM aliases WHERE alias = :alias FOR UPDATE", alias=alias)
    return None if row is None else Alias(*row)


def remove(tx: Transaction, alias: RoomAlias) -> None:
    """Takes an alias away."""
    tx.run("DELETE FROM aliases WHERE alias = :alias", alias=alias)


def move(tx: Transaction, old: RoomNid, new: RoomNid) -> None:
    """Points all aliases of a room to another."""
    tx.run("UPDATE aliases SET room = :new WHERE room = :old", old=old, new=new)


def of_room(tx: Transaction, room: RoomNid) -> list[RoomAlias]:
    """The aliases that point to a room, in the order in which they were made."""
    sql = "SELECT alias FROM aliases WHERE room = :room ORDER BY created_at, alias"
    return [alias for (alias,) in tx.rows(sql, room=room)]
