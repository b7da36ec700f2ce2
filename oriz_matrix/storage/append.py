"""Compare-and-append: the one short transaction in which a room gets new events.

It fails with RoomMoved when the room's current state is not the one that the events were checked against; otherwise the
events, the timeline, the state, memberships, counts and transaction ids are written together, or nothing is. Everything
that is read is read before the positions are drawn; after that come only writes, which go to the engine in one go.
"""

from collections.abc import Sequence

from oriz_matrix.storage import rooms, timeline
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.errors import RoomMoved
from oriz_matrix.storage.new_events import Arrival, NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import EventNid, RoomNid, UserNid
from oriz_matrix.storage.writing import Writing, known


def append(tx: Transaction, room_nid: RoomNid, seen: StateAt, new: Sequence[NewEvent]) -> Room:
    """Appends events to a room whose current state is still `seen`; the room as it is then.

    Raises RoomMoved, or Duplicate where an event or a transaction id is there already.
    """
    room = rooms.hold(tx, room_nid, seen)
    writing = Writing(tx, room, known(tx, room, new))
    for item, position in zip(new, tx.positions(len(new)), strict=True):
        writing.add(item, position)
    return writing.write()


def arrive(tx: Transaction, room_nid: RoomNid, seen: StateAt, new: NewEvent, arrival: Arrival) -> Room:
    """The same for one event that was stored before, and whose state is not the room's."""
    room = rooms.hold(tx, room_nid, seen)
    before = known(tx, room, [new], arrival)
    timeline.lift(tx, arrival.number)
    writing = Writing(tx, room, before)
    writing.arrive(new, arrival, tx.position())
    return writing.write()


@single
def message(tx: Transaction, room: RoomNid, seen: StateAt, new: NewEvent, sender: UserNid) -> Room:
    """The same for one event that is no state, in no thread, redacts nothing and is the same to all: the most frequent
    one."""
    if tx.message_statement is None:
        return append(tx, room, seen, [new])
    event, called = new.event, new.transaction
    row = tx.one(
        tx.message_statement,
        room=room,
        branch=seen.branch,
        state_at=seen.position,
        event_id=event.event_id,
        body=event.encoded,
        sender=sender,
        notifies=int(new.notifies),
        ts=timeline.moment(event),
        device=called.device if called else None,
        endpoint=called.endpoint if called else None,
        txn_id=called.txn_id if called else None,
        behind=event.prev_event_ids,
        own=rooms.to_text([(event.event_id, event.depth)]),
    )
    if row is None:
        raise RoomMoved
    after = rooms.from_row(row)
    tx.after_commit(lambda: tx.caches.events.put(EventNid(after.latest), event.as_stored()))
    return after
