"""What a resolution asks of the outside, and what it has loaded so far.

All questions are asked in bulk and answered synchronously, by a storage transaction or by what a job has read before.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId


class AuthGraph(Protocol):
    """The graph of events and their auth events."""

    def auth_edges(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        """The auth events of each of the events."""
        ...

    def auth_depths(self, ids: Collection[EventId]) -> Mapping[EventId, int]:
        """The auth depth of each: any number that is larger than that of each of its auth events.

        Not the `depth` of the PDU, which its sender chooses (traps.md 19).
        """
        ...


class Source(AuthGraph, Protocol):
    """The events themselves; every event that a state names is known, with its whole auth chain."""

    def events(self, ids: Collection[EventId]) -> Mapping[EventId, Event]:
        """The events by id."""
        ...

    def rejected(self, ids: Collection[EventId]) -> Collection[EventId]:
        """Those of the ids that were rejected."""
        ...


class Agreed(Protocol):
    """The agreed state: the keys with the same event in all states; the specification's unconflicted state map."""

    def at(self, keys: Collection[StateKey]) -> Mapping[StateKey, EventId]:
        """The agreed events of those of the keys that have one."""
        ...

    def reaching(self, ids: Collection[EventId]) -> Collection[EventId]:
        """Those of the ids that lie in the auth chain of any event of the agreed state.

        `differences.reached_down` and `reached_up` are two ways to find out. Asked for few events, and rarely.
        """
        ...


class Known:
    """The events that one resolution has loaded. Events are read by `known[event_id]` after `load`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._events: dict[EventId, Event] = {}
        self._rejected: dict[EventId, bool] = {}

    def __getitem__(self, event_id: EventId) -> Event:
        return self._events[event_id]

    def load(self, ids: Iterable[EventId]) -> None:
        """Bring the events here, at one go; those that are here already are not asked for again."""
        missing = [i for i in dict.fromkeys(ids) if i not in self._events]
        if missing:
            self._events.update(self._source.events(missing))

    def load_with_auth_events(self, ids: Collection[EventId]) -> None:
        """Bring the events and the auth events of each, and learn which of the latter were rejected."""
        self.load(ids)
        cited = {a for i in ids for a in self[i].auth_event_ids if a not in self._rejected}
        self.load(cited)
        rejected = self._source.rejected(cited) if cited else ()
        self._rejected.update((i, i in rejected) for i in cited)

    def auth_state(self, event: Event) -> dict[StateKey, Event]:
        """The event's own auth events as a state, without the rejected ones; loaded `..._with_auth_events` before."""
        cited = [self[i] for i in event.auth_event_ids if not self._rejected[i]]
        state = {e.key: e for e in cited if e.is_state}
        if not event.version.create_in_auth_events:
            create_id = EventId("$" + event.room_id[1:])  # MSC4291: the room id names the create event
            self.load([create_id])
            state[CREATE] = self[create_id]
        return state

    def power_levels_before(self, event_id: EventId) -> EventId | None:
        """The m.room.power_levels event among the event's auth events."""
        self.load([event_id])
        cited = self[event_id].auth_event_ids
        self.load(cited)
        return next((i for i in cited if self[i].is_state and self[i].key == POWER_LEVELS), None)
