"""Which other servers are in which room: those of whose users at least one is joined, with how many."""

from collections.abc import Collection, Mapping

from oriz_matrix.protocol.identifiers import ServerName, domain_of
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, RoomNid, UserNid

MOST_AT_ONCE = 50
"""So many users of a server that is new to a room may come in before anybody has looked."""


def in_room(tx: Transaction, room: RoomNid) -> list[ServerName]:
    """The other servers in a room, those with the most members first."""
    sql = "SELECT server FROM room_servers WHERE room = :room ORDER BY joined DESC, server"
    return [server for (server,) in tx.rows(sql, room=room)]


def in_rooms(tx: Transaction, rooms: Collection[RoomNid]) -> set[ServerName]:
    """The other servers that are in one of several rooms."""
    sql = "SELECT server FROM room_servers WHERE room = ANY(:rooms)"
    return {server for (server,) in tx.rows(sql, rooms=list(rooms))} if rooms else set()


def is_in(tx: Transaction, room: RoomNid, server: ServerName) -> bool:
    """Whether a user of another server is joined to a room."""
    sql = "SELECT 1 FROM room_servers WHERE room = :room AND server = :server"
    return tx.value(sql, room=room, server=server) is not None


def came_with(tx: Transaction, room: RoomNid, server: ServerName, user: UserNid) -> bool:
    """Whether a server was not in a room before this user of it came in: all its members came with them or later."""
    sql = "SELECT joined FROM room_servers WHERE room = :room AND server = :server"
    joined = tx.value(sql, room=room, server=server) or 0
    if not 0 < joined <= MOST_AT_ONCE:
        return False
    sql = """
        SELECT u.user_id FROM memberships m JOIN users u ON u.nid = m.user_nid
        WHERE m.room = :room AND m.until = :forever AND m.membership = 'join' AND m.stay_since >= (
            SELECT max(o.stay_since) FROM memberships o
            WHERE o.room = :room AND o.user_nid = :user AND o.until = :forever AND o.membership = 'join'
        )
    """
    rows = tx.rows(sql, room=room, user=user, forever=FOREVER)
    return sum(domain_of(user_id) == server for (user_id,) in rows) >= joined


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
