"""State resolution version 2 (room versions 2 to 11) and 2.1 (from 12 on: MSC4297).

In step 1 of version 2 the auth chain of a power event is followed only as far as it stays inside the full conflicted
set. The text can be read more widely, but this is what the servers in the field do, and who resolves otherwise splits
rooms. (In version 2.1 a path between two members of the set never leaves it, so both readings are one.) Rejected events
of the set are judged like all others, as the section "Rejected events" demands.
Source: room version 2 and 12, "State resolution".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from oriz_matrix.protocol.authorization import auth_keys_of, check_with_state
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import JOIN_RULES, POWER_LEVELS, membership
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution.differences import auth_difference, conflicted_subgraph
from oriz_matrix.protocol.resolution.ordering import mainline_order, power_order
from oriz_matrix.protocol.resolution.source import Agreed, Known, Source

Sides = Sequence[Mapping[StateKey, EventId | None]]


def resolve_v2(sides: Sides, agreed: Agreed, source: Source) -> dict[StateKey, EventId]:
    """Version 2: the checks start from the agreed state."""
    held = held_events(sides)
    full = _full_conflicted_set(held, set().union(*held), agreed, source)
    known = Known(source)
    known.load_with_auth_events(full)
    needed = {key for i in full for key in auth_keys_of(known[i])}
    return _resolve(full, dict(agreed.at(needed)), agreed, known)


def resolve_v2_1(sides: Sides, agreed: Agreed, source: Source) -> dict[StateKey, EventId]:
    """Version 2.1: the checks start from nothing, and the conflicted subgraph is judged as well."""
    held = held_events(sides)
    between = conflicted_subgraph(set().union(*held), source)
    full = _full_conflicted_set(held, between, agreed, source)
    known = Known(source)
    known.load_with_auth_events(full)
    return _resolve(full, {}, agreed, known)


def held_events(sides: Sides) -> list[set[EventId]]:
    """The events of each side."""
    return [{i for i in side.values() if i is not None} for side in sides]


def _full_conflicted_set(
    held: Sequence[Collection[EventId]], settled: set[EventId], agreed: Agreed, source: Source
) -> set[EventId]:
    """The settled part (conflicted set, and subgraph in 2.1) with the auth difference."""
    return settled | auth_difference(held, source, agreed.reaching, settled)


def _resolve(
    full: set[EventId], start: dict[StateKey, EventId], agreed: Agreed, known: Known
) -> dict[StateKey, EventId]:
    """Steps 1 to 5 of the algorithm."""
    first = _power_events(full, known)
    state = _Checks(start, known)
    state.apply(power_order(first, known))
    state.apply(mainline_order(full - first, state.ids.get(POWER_LEVELS), known))
    kept = agreed.at(state.resolved.keys())
    return {key: event_id for key, event_id in state.resolved.items() if key not in kept}


def _power_events(full: set[EventId], known: Known) -> set[EventId]:
    """Step 1: the power events of the set, and what of the set they reach within it."""
    found: set[EventId] = set()
    pending = [i for i in full if is_power_event(known[i])]
    while pending:
        event_id = pending.pop()
        if event_id not in found:
            found.add(event_id)
            pending.extend(a for a in known[event_id].auth_event_ids if a in full)
    return found


def is_power_event(event: Event) -> bool:
    """Whether a state event may take somebody's rights: power levels, join rules, kicks and bans."""
    if event.type == "m.room.member":
        return membership(event) in {"leave", "ban"} and event.sender != event.state_key
    return event.type in {POWER_LEVELS[0], JOIN_RULES[0]}


class _Checks:
    """The iterative auth checks: a state that grows by each event that it allows."""

    def __init__(self, start: dict[StateKey, EventId], known: Known) -> None:
        self.ids = start
        self.resolved: dict[StateKey, EventId] = {}
        self._known = known
        known.load(start.values())

    def apply(self, ids: Iterable[EventId]) -> None:
        """Put each event into the state, if the state allows it."""
        for event_id in ids:
            event = self._known[event_id]
            try:
                check_with_state(event, self._state_for(event))
            except Forbidden:
                continue
            self.ids[event.key] = self.resolved[event.key] = event_id

    def _state_for(self, event: Event) -> dict[StateKey, Event]:
        """What the rules need: from the state, else from the event's own auth events."""
        state = self._known.auth_state(event)
        for key in auth_keys_of(event):
            event_id = self.ids.get(key)
            if event_id is not None:
                state[key] = self._known[event_id]
        return state
