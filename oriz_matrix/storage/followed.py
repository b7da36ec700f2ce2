"""Events upon which an accepted event stands that came before them, be it through what has no place in the timeline.

When one of them is accepted it is no end of the room's graph any more. Where it is set aside or stays outside, what it
stands upon is followed as well; an end of the graph that is followed so ceases to be one with the room's next event.
"""

from collections.abc import Collection

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid


def mark(tx: Transaction, room: RoomNid, event_ids: Collection[EventId]) -> None:
    """An accepted event of a room stands upon these."""
    sql = "INSERT INTO followed (room, event_id) VALUES (:room, :event_id) ON CONFLICT DO NOTHING"
    tx.many(sql, [{"room": room, "event_id": event_id} for event_id in event_ids])


def among(tx: Transaction, room: RoomNid, event_ids: Collection[EventId]) -> set[EventId]:
    """Those of the events upon which an accepted event stands."""
    sql = "SELECT event_id FROM followed WHERE room = :room AND event_id = ANY(:event_ids)"
    return {event_id for (event_id,) in tx.rows(sql, room=room, event_ids=list(event_ids))}


def forget(tx: Transaction, room: RoomNid, event_ids: Collection[EventId]) -> None:
    """These have their place, and are no ends."""
    sql = "DELETE FROM followed WHERE room = :room AND event_id = ANY(:event_ids)"
    tx.run(sql, room=room, event_ids=list(event_ids))
