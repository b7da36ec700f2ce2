"""What other servers have sent: transactions that were taken in, and events that wait to be judged, room by room."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.storage import rooms as names
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

MOST_FORGOTTEN = 5_000


class Waiting(NamedTuple):
    """An event that waits: its PDU as canonical JSON, and who sent it here, when (milliseconds)."""

    event_id: EventId
    origin: ServerName
    body: bytes
    received_at: int


def answer(tx: Transaction, origin: ServerName, txn_id: str) -> bytes | None:
    """What was answered to a transaction; None when it was not taken yet."""
    sql = "SELECT answer FROM taken_transactions WHERE origin = :origin AND txn_id = :txn_id"
    found = tx.value(sql, origin=origin, txn_id=txn_id)
    return None if found is None else bytes(found)


def take(tx: Transaction, origin: ServerName, txn_id: str, answer: bytes, now_ms: int) -> None:
    """Notes what is answered to a transaction. Raises Duplicate when it was taken already."""
    sql = """
        INSERT INTO taken_transactions (origin, txn_id, answer, taken_at) VALUES (:origin, :txn_id, :answer, :now_ms)
    """
    tx.run(sql, origin=origin, txn_id=txn_id, answer=answer, now_ms=now_ms)


def forget_transactions(tx: Transaction, before_ms: int) -> None:
    """Forgets what was answered before a moment, the oldest first, so many at a time: whoever has not heard of it by
    then has given up."""
    sql = """
        DELETE FROM taken_transactions WHERE (origin, txn_id) IN (
            SELECT origin, txn_id FROM taken_transactions WHERE taken_at < :before_ms ORDER BY taken_at LIMIT :most
        )
    """
    tx.run(sql, before_ms=before_ms, most=MOST_FORGOTTEN)


def put(tx: Transaction, room: RoomNid, events: Sequence[Event], origin: ServerName, now_ms: int) -> None:
    """Keeps events of a room to be judged; one that waits already stays where it is."""
    sql = """
        INSERT INTO incoming (room, origin, event_id, body, received_at)
        VALUES (:room, :origin, :event_id, :body, :now_ms) ON CONFLICT (room, event_id) DO NOTHING
    """
    rows = [
        {"room": room, "origin": origin, "event_id": event.event_id, "body": event.encoded, "now_ms": now_ms}
        for event in events
    ]
    tx.many(sql, rows)


def waiting(tx: Transaction, room: RoomNid, but: Collection[EventId], limit: int) -> list[Waiting]:
    """The events of a room that have waited longest, but for some."""
    sql = """
        SELECT event_id, origin, body, received_at FROM incoming
        WHERE room = :room AND NOT event_id = ANY(:but) ORDER BY nid LIMIT :limit
    """
    rows = tx.rows(sql, room=room, but=list(but), limit=limit)
    return [Waiting(event_id, origin, bytes(body), received_at) for event_id, origin, body, received_at in rows]


def still(tx: Transaction, room: RoomNid, event_ids: Collection[EventId]) -> set[EventId]:
    """Which of these events of a room wait."""
    sql = "SELECT event_id FROM incoming WHERE room = :room AND event_id = ANY(:event_ids)"
    return {EventId(event_id) for (event_id,) in tx.rows(sql, room=room, event_ids=list(event_ids))}


def is_crowded(tx: Transaction, room: RoomNid, most: int) -> bool:
    """Whether more events than that wait in a room."""
    sql = "SELECT 1 FROM incoming WHERE room = :room ORDER BY nid LIMIT 1 OFFSET :most"
    return tx.value(sql, room=room, most=most) is not None


def done(tx: Transaction, room: RoomNid, event_ids: Collection[EventId]) -> None:
    """These events wait no longer."""
    sql = "DELETE FROM incoming WHERE room = :room AND event_id = ANY(:event_ids)"
    if event_ids:
        tx.run(sql, room=room, event_ids=list(event_ids))


def rooms(tx: Transaction) -> list[RoomId]:
    """The rooms in which events wait."""
    found: list[RoomId] = []
    room = 0
    while (room := tx.value("SELECT min(room) FROM incoming WHERE room > :room", room=room)) is not None:
        found.append(names.name(tx, room).room_id)
    return found
