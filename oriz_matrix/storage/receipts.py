"""Read receipts: for each user, kind and thread the event that was read last. Source: client-server API, "Receipts".

A receipt copies where its event stands and the room's count there, so that unread counts need no further look-up.
"""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid

PRIVATE = "m.read.private"


class Receipt(NamedTuple):
    """One receipt; `thread` is "" when it is unthreaded, `ts` in milliseconds."""

    room: RoomNid
    user: UserNid
    kind: str
    thread: str
    event_id: EventId
    ts: int


def put(tx: Transaction, receipt: Receipt, event_at: tuple[Position, int], unread: int) -> bool:
    """Stores a receipt unless one at a later event is there already; whether it was stored."""
    older = """
        SELECT 1 FROM receipts WHERE room = :room AND user_nid = :user AND kind = :kind AND thread = :thread
            AND (event_position, event_back) >= (:position, :back)
    """
    key = {"room": receipt.room, "user": receipt.user, "kind": receipt.kind, "thread": receipt.thread}
    tx.lock(f"receipts {receipt.room} {receipt.user}")
    if tx.value(older, **key, position=event_at[0], back=event_at[1]):
        return False
    sql = """
        INSERT INTO receipts
            (room, user_nid, kind, thread, event_id, ts, event_position, event_back, unread, position)
        VALUES
            (:room, :user, :kind, :thread, :event_id, :ts, :event_position, :event_back, :unread, :position)
        ON CONFLICT (room, user_nid, kind, thread) DO UPDATE SET
            event_id = EXCLUDED.event_id, ts = EXCLUDED.ts, event_position = EXCLUDED.event_position,
            event_back = EXCLUDED.event_back, unread = EXCLUDED.unread, position = EXCLUDED.position
    """
    tx.run(
        sql,
        **key,
        event_id=receipt.event_id,
        ts=receipt.ts,
        event_position=event_at[0],
        event_back=event_at[1],
        unread=unread,
        position=tx.position(),
    )
    return True


def changed(tx: Transaction, rooms: Sequence[RoomNid], after: Position, reader: UserNid) -> list[Receipt]:
    """The receipts of some rooms that are newer than `after`, of private ones only the reader's own."""
    sql = """
        SELECT room, user_nid, kind, thread, event_id, ts FROM receipts
        WHERE room = ANY(:rooms) AND position > :after AND (kind <> :private OR user_nid = :reader)
    """
    rows = tx.rows(sql, rooms=rooms, after=after, private=PRIVATE, reader=reader)
    return [Receipt(*row) for row in rows]


def read_up_to(tx: Transaction, rooms: Sequence[RoomNid], user: UserNid) -> dict[RoomNid, tuple[Position, int]]:
    """By room, the furthest event that a user's unthreaded receipts name: its position and the room's count there."""
    sql = """
        SELECT room, event_position, unread FROM receipts
        WHERE room = ANY(:rooms) AND user_nid = :user AND thread = '' ORDER BY event_position
    """
    return {room: (position, unread) for room, position, unread in tx.rows(sql, rooms=rooms, user=user)}
