"""Holes in rooms' logs: what stood just before a position is known to other servers only, until it is fetched."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid


class Gap(NamedTuple):
    """A hole just before a position: `back` is the lowest that is taken there, `wanted` comes next, going back."""

    room: RoomNid
    position: Position
    back: int
    wanted: list[EventId]


def put(tx: Transaction, gap: Gap) -> None:
    """Opens a hole, or moves its edge; one in which nothing more is wanted is closed."""
    if not gap.wanted:
        tx.run("DELETE FROM gaps WHERE room = :room AND position = :position", room=gap.room, position=gap.position)
        return
    sql = """
        INSERT INTO gaps (room, position, back, wanted) VALUES (:room, :position, :back, :wanted)
        ON CONFLICT (room, position) DO UPDATE SET back = EXCLUDED.back, wanted = EXCLUDED.wanted
    """
    tx.run(sql, **{**gap._asdict(), "wanted": msgspec.json.encode(gap.wanted).decode()})


def within(tx: Transaction, rooms: Sequence[RoomNid], after: Position, upto: Position) -> dict[RoomNid, Position]:
    """By room that has any, the position of the newest hole in (after, upto]."""
    sql = """
        SELECT room, max(position) FROM gaps
        WHERE room = ANY(:rooms) AND position > :after AND position <= :upto GROUP BY room
    """
    return {row[0]: row[1] for row in tx.rows(sql, rooms=list(rooms), after=after, upto=upto)}


def before(tx: Transaction, room: RoomNid, position: Position) -> Gap | None:
    """The newest hole at or before a position."""
    sql = """
        SELECT room, position, back, wanted FROM gaps WHERE room = :room AND position <= :position
        ORDER BY position DESC LIMIT 1
    """
    row = tx.one(sql, room=room, position=position)
    return None if row is None else Gap(row[0], row[1], row[2], msgspec.json.decode(row[3]))


def is_open(tx: Transaction, room: RoomNid, position: Position) -> bool:
    """Whether there is a hole just before this position, of which something is still missing."""
    sql = "SELECT 1 FROM gaps WHERE room = :room AND position = :position"
    return tx.value(sql, room=room, position=position) is not None
