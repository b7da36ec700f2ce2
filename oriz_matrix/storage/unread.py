"""Unread counts: differences of the room's running counts, and rows only for mentions."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EVERYBODY, Position, RoomNid, UserNid


class Counts(NamedTuple):
    """What is unread in a room."""

    notifications: int
    highlights: int


NOTHING = Counts(0, 0)


def counts(
    tx: Transaction, room: RoomNid, head: int, users: Sequence[UserNid], upto: Position
) -> dict[UserNid, Counts]:
    """What is unread for several members of a room, whose count of notifying events is `head` at `upto`.

    A user has read up to the furthest of their unthreaded receipts and their own newest event; a stay begins with an
    event of their own.
    """
    if not users:
        return {}
    read = _read_up_to(tx, room, users, upto)
    lowest = min((position for position, _ in read.values()), default=Position(0))
    sql = """
        SELECT user_nid, position, counted FROM mentions
        WHERE room = :room AND user_nid = ANY(:users) AND position > :lowest AND position <= :upto
    """
    mentions = tx.rows(sql, room=room, users=[*users, EVERYBODY], lowest=lowest, upto=upto)
    return {user: _count(user, head, *read[user], mentions) for user in users}


def _read_up_to(
    tx: Transaction, room: RoomNid, users: Sequence[UserNid], upto: Position
) -> dict[UserNid, tuple[Position, int]]:
    """By user, up to which position they have read, and the room's count there."""
    read = dict.fromkeys(users, (Position(0), 0))
    receipts = """
        SELECT user_nid, event_position, unread FROM receipts
        WHERE room = :room AND user_nid = ANY(:users) AND thread IN ('', 'main')
    """
    own = """
        SELECT s.sender, s.position, s.unread FROM EACH(:users) JOIN event_status s ON s.event = (
            SELECT event FROM event_status WHERE room = :room AND sender = value AND position <= :upto
            ORDER BY position DESC LIMIT 1
        )
    """
    rows = tx.rows(receipts, room=room, users=users) + tx.rows(own, room=room, users=users, upto=upto)
    for user, position, count in rows:
        read[user] = max(read[user], (position, count))
    return read


def _count(
    user: UserNid, head: int, read_to: Position, base: int, mentions: Sequence[tuple[UserNid, Position, bool]]
) -> Counts:
    mine = {position: counted for who, position, counted in mentions if who in (user, EVERYBODY) and position > read_to}
    return Counts(max(head - base, 0) + sum(not counted for counted in mine.values()), len(mine))
