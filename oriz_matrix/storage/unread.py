"""Unread counts: differences of the room's running counts, and rows only for mentions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EVERYBODY, Position, RoomNid, UserNid


class Counts(NamedTuple):
    """What is unread in a room."""

    notifications: int
    highlights: int


Reader = tuple[RoomNid, UserNid]
"""A member of a room, whose counts are asked for."""


def counts(
    tx: Transaction, readers: Sequence[Reader], heads: Mapping[RoomNid, int], upto: Position
) -> dict[Reader, Counts]:
    """What is unread for several members of rooms; `heads` are the rooms' counts of notifying events at `upto`.

    A user has read up to the furthest of their receipts for the room (those for one of its threads say nothing of the
    others) and their own newest event; a stay begins with an event of their own, a change of their name reads nothing.
    """
    if not readers:
        return {}
    read = _read_up_to(tx, readers, upto)
    sql = """
        SELECT room, user_nid, position, counted FROM mentions
        WHERE user_nid = ANY(:users) AND room = ANY(:rooms) AND position > :lowest AND position <= :upto
    """
    mentions: dict[Reader, list[tuple[Position, bool]]] = {}
    for room, user, position, counted in tx.rows(
        sql,
        users=[EVERYBODY, *{user for _, user in readers}],
        rooms=list(heads),
        lowest=min(position for position, _ in read.values()),
        upto=upto,
    ):
        mentions.setdefault((room, user), []).append((position, counted))
    return {
        (room, user): _count(
            heads[room], read[room, user], mentions.get((room, user), []) + mentions.get((room, EVERYBODY), [])
        )
        for room, user in readers
    }


def _read_up_to(tx: Transaction, readers: Sequence[Reader], upto: Position) -> dict[Reader, tuple[Position, int]]:
    """Up to which position each has read, and the room's count there."""
    read = dict.fromkeys(readers, (Position(0), 0))
    receipts = """
        SELECT room, user_nid, event_position, unread FROM PAIRS(:readers) JOIN receipts
            ON room = first AND user_nid = second
        WHERE thread IN ('', 'main')
    """
    own = """
        SELECT s.room, s.sender, s.position, s.unread FROM PAIRS(:readers) JOIN event_status s ON s.event = (
            SELECT event FROM event_status WHERE room = first AND sender = second AND position <= :upto AND NOT EXISTS (
                SELECT 1 FROM memberships
                WHERE user_nid = second AND room = first AND since = position AND stay_since < since
            )
            ORDER BY position DESC LIMIT 1
        )
    """
    for room, user, position, count in tx.rows(receipts, readers=readers) + tx.rows(own, readers=readers, upto=upto):
        read[room, user] = max(read[room, user], (position, count))
    return read


def _count(head: int, read: tuple[Position, int], mentions: Sequence[tuple[Position, bool]]) -> Counts:
    position, base = read
    mine = {at: counted for at, counted in mentions if at > position}
    return Counts(max(head - base, 0) + sum(not counted for counted in mine.values()), len(mine))
