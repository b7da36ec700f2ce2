"""Which other servers are in which room: those of whose users at least one is joined, with how many."""

from collections.abc import Mapping

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid


def in_room(tx: Transaction, room: RoomNid) -> list[ServerName]:
    """The other servers in a room, those with the most members first."""
    sql = "SELECT server FROM room_servers WHERE room = :room ORDER BY joined DESC, server"
    return [server for (server,) in tx.rows(sql, room=room)]


def is_in(tx: Transaction, room: RoomNid, server: ServerName) -> bool:
    """Whether a user of another server is joined to a room."""
    sql = "SELECT 1 FROM room_servers WHERE room = :room AND server = :server"
    return tx.value(sql, room=room, server=server) is not None


def rooms_of(tx: Transaction, server: ServerName) -> list[RoomNid]:
    """The rooms that another server is in."""
    return [room for (room,) in tx.rows("SELECT room FROM room_servers WHERE server = :server", server=server)]


def count(tx: Transaction, room: RoomNid, changes: Mapping[ServerName, int]) -> None:
    """Notes by how many the members of other servers have become more or fewer; the caller holds the room."""
    add = """
        INSERT INTO room_servers (room, server, joined) VALUES (:room, :server, :by)
        ON CONFLICT (room, server) DO UPDATE SET joined = room_servers.joined + EXCLUDED.joined
    """
    tx.many(add, [{"room": room, "server": server, "by": by} for server, by in changes.items() if by])
    if any(by < 0 for by in changes.values()):
        tx.run("DELETE FROM room_servers WHERE room = :room AND joined <= 0", room=room)
