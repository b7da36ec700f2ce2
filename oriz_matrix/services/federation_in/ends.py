"""Which ends of a room's graph an event makes to inner points, and upon which that are still to come it stands."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import arrivals, events, followed, rooms
from oriz_matrix.storage.arrivals import Stored
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid

MOST_LOOKED_AT = 1_000


class Behind(NamedTuple):
    """What lies behind an event directly, or behind such only as are shown to nobody: traps.md 18.

    ends: of the room's graph, its previous events among them. outside: events that stand in no timeline, known or not.
    """

    ends: list[EventId]
    outside: list[EventId]


def behind(tx: Transaction, room: Room, previous: Collection[EventId], known: Mapping[EventId, Stored]) -> Behind:
    """What lies behind an event with these previous events; `known` are events that need not be looked up."""
    ends = {event_id for event_id, _ in room.extremities}
    found: set[EventId] = set()
    outside: set[EventId] = set()
    looked_at: set[EventNid] = set()
    ids = set(previous)
    while ids and len(looked_at) < MOST_LOOKED_AT:
        level = {event_id: known[event_id] for event_id in ids & known.keys()}
        level |= arrivals.find(tx, ids - known.keys())
        found |= ids & ends
        outside |= ids - {event_id for event_id, one in level.items() if not one.is_outlier}
        unseen = [one.number for one in level.values() if one.is_hidden or one.is_outlier]
        new = [number for number in unseen if number not in looked_at]
        looked_at.update(new)
        ids = {i for body in events.load(tx, new).values() for i in body.prev_event_ids}
    return Behind(sorted(found), sorted(outside))


def keep(tx: Transaction, room: RoomNid, new: Sequence[Event], rejected: Mapping[EventId, str]) -> None:
    """Stores events as outliers; what lies behind those upon which an accepted event stands is followed as well."""
    passed = followed.among(tx, room, [event.event_id for event in new])
    arrivals.keep(tx, room, new, rejected)  # last, for its writes go in one go
    if passed:
        follow(tx, room, passed)


def follow(
    tx: Transaction, room: RoomNid, previous: Collection[EventId], near: Collection[EventId] = frozenset()
) -> None:
    """An accepted event has these previous events, be it through what has no place in the timeline.

    near: events that are likely to lie behind it, to be looked up at once.
    """
    found = behind(tx, rooms.get(tx, [room])[room], previous, arrivals.find(tx, {*previous, *near}))
    followed.mark(tx, room, [*found.ends, *found.outside])
