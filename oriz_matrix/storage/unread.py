"""Unread counts: differences of the room's running counts, and rows only for mentions."""

from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EVERYBODY, Position, RoomNid, UserNid


class Mentions(NamedTuple):
    """Mentions of a user after a position: all, and those which the room's own count does not hold."""

    all: int
    uncounted: int


def mentions(tx: Transaction, user: UserNid, room: RoomNid, after: Position, upto: Position) -> Mentions:
    """Counts the events in (after, upto] that mention a user of the room by name or as one of all."""
    sql = """
        SELECT count(DISTINCT event), count(DISTINCT CASE WHEN counted THEN NULL ELSE event END) FROM mentions
        WHERE user_nid = ANY(:users) AND room = :room AND position > :after AND position <= :upto
    """
    row = tx.one(sql, users=[user, EVERYBODY], room=room, after=after, upto=upto)
    assert row is not None
    return Mentions(*row)
