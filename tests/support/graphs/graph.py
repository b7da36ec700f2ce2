"""The whole graph of a room as nobody knows it: every event, whether it is rejected, and the states around it.

These depend on the graph alone and not on the order in which a server hears of it, so whatever a server knows must
agree with it. All is computed by the reference implementation, on whole states.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.reference import authorization as reference
from tests.protocol.reference.resolution import resolve

CREATE = ("m.room.create", "")
State = dict[StateKey, EventId]


class Graph:
    """events: as whoever checks them keeps them, in the order in which they were made; pdus: as they are sent.

    before, after: the states around each. unfounded: of those rejected, the events that their own auth events refute.
    """

    def __init__(self, version: str) -> None:
        self.version = ROOM_VERSIONS[version]
        self.room_id = RoomId("")
        self.events: dict[EventId, Event] = {}
        self.pdus: dict[EventId, Mapping[str, Any]] = {}
        self.before: dict[EventId, State] = {}
        self.after: dict[EventId, State] = {}
        self.rejected: set[EventId] = set()
        self.unfounded: set[EventId] = set()
        self._below: dict[EventId, frozenset[EventId]] = {}
        self._merged: dict[frozenset[EventId], State] = {}

    def add(self, event: Event, pdu: Mapping[str, Any] | None = None) -> Event:
        """One more event, whose previous and auth events are there; `pdu`: what is sent, where it is another."""
        if event.event_id in self.events:
            return event
        self.room_id = event.room_id
        previous = event.prev_event_ids
        self.events[event.event_id] = event
        self.pdus[event.event_id] = event.pdu if pdu is None else pdu
        self._below[event.event_id] = frozenset(previous).union(*(self._below[each] for each in previous))
        before = self.merged(previous)
        self.before[event.event_id] = self.after[event.event_id] = before
        if not self._is_founded(event):
            self.unfounded.add(event.event_id)
        if event.event_id in self.unfounded or not self.allows(before, event):
            self.rejected.add(event.event_id)
        elif event.is_state:
            self.after[event.event_id] = {**before, event.key: event.event_id}
        return event

    def merged(self, ids: Iterable[EventId]) -> State:
        """What the states after some events resolve to."""
        key = frozenset(ids)
        if key not in self._merged:
            states: list[State] = []
            for state in (self.after[each] for each in sorted(key)):
                if state not in states:
                    states.append(state)
            self._merged[key] = resolve(states, self.events, self.rejected) if states else {}
        return self._merged[key]

    def allows(self, state: State, event: Event) -> bool:
        """Whether a state allows an event."""
        if event.type == "m.room.create":
            return event is next(iter(self.events.values()))
        return reference.allowed(event, self.whole(state))

    def whole(self, state: State) -> dict[StateKey, Event]:
        """A state with its events."""
        return {key: self.events[each] for key, each in state.items()}

    def _is_founded(self, event: Event) -> bool:
        """Whether its own auth events are those that it needs, and allow it."""
        if event.type == "m.room.create":
            return True
        cited = [self.events[each] for each in event.auth_event_ids]
        keys = [each.key for each in cited if each.is_state]
        wanted = reference.selection(event)
        if len(keys) < len(cited) or len(set(keys)) < len(keys) or not set(keys) <= wanted:
            return False
        if any(each.event_id in self.rejected for each in cited):
            return False
        state = {each.key: each for each in cited}
        if self.version.create_in_auth_events and CREATE not in state:
            return False
        state[CREATE] = next(iter(self.events.values()))
        return reference.allowed(event, state)

    def heads_of(self, ids: Collection[EventId]) -> list[EventId]:
        """Those of some events that come before none of the others."""
        below = frozenset[EventId]().union(*(self._below[each] for each in ids))
        return [each for each in dict.fromkeys(ids) if each not in below]

    def is_before(self, one: EventId, other: EventId) -> bool:
        """Whether the one lies before the other."""
        return one in self._below[other]

    def tips(self) -> list[EventId]:
        """The events before no other."""
        return self.heads_of(self.events)

    def back_from(self, ids: Iterable[EventId], limit: int, seen: Collection[EventId] = ()) -> list[EventId]:
        """These and what lies before them, breadth first, without what was seen and what only that leads to."""
        found: dict[EventId, None] = {}
        waiting = list(ids)
        while waiting and len(found) < limit:
            each = waiting.pop(0)
            if each in self.events and each not in found and each not in seen:
                found[each] = None
                waiting += self.events[each].prev_event_ids
        return list(found)

    def auth_chain(self, ids: Iterable[EventId]) -> set[EventId]:
        """All that these cite, and what that cites."""
        found: set[EventId] = set()
        waiting = [each for event_id in ids for each in self.events[event_id].auth_event_ids]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += self.events[each].auth_event_ids
        return found

    def in_order(self, ids: Collection[EventId]) -> list[EventId]:
        """As they were made."""
        return [each for each in self.events if each in ids]
