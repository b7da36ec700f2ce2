"""State resolution version 1, for room version 1: the first event of a conflict wins, later ones if it lets them.

What the text leaves open is read as the servers in the field do: conflicts are settled key by key, and those of one
kind (all conflicting members, say) do not see each other's outcome. Source: room version 1, "State resolution".
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1

from oriz_matrix.protocol.authorization import auth_keys_of, check_with_state
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution.source import Agreed, Known, Source

AUTHORITY = ("m.room.power_levels", "m.room.join_rules", "m.room.member")
"""The types that decide over others, in the order in which they are settled."""


def resolve_v1(
    sides: Sequence[Mapping[StateKey, EventId | None]], agreed: Agreed, source: Source
) -> dict[StateKey, EventId]:
    """The resolved events of the keys that differ. A key that some sides lack is no conflict: its event is taken."""
    held = _events_by_key(sides)
    result = {key: next(iter(ids)) for key, ids in held.items() if len(ids) == 1}
    known = Known(source)
    known.load(i for ids in held.values() for i in ids)
    conflicts = {key: _order(known[i] for i in ids) for key, ids in held.items() if len(ids) > 1}
    needed = {key for events in conflicts.values() for event in events for key in auth_keys_of(event)}
    start = {**agreed.at(needed - held.keys()), **result}
    known.load(start.values())
    settled = _settle(conflicts, {key: known[i] for key, i in start.items()})
    return {**result, **{key: event.event_id for key, event in settled.items()}}


def _events_by_key(sides: Sequence[Mapping[StateKey, EventId | None]]) -> dict[StateKey, set[EventId]]:
    held: dict[StateKey, set[EventId]] = {}
    for side in sides:
        for key, event_id in side.items():
            if event_id is not None:
                held.setdefault(key, set()).add(event_id)
    return held


def _settle(conflicts: Mapping[StateKey, Sequence[Event]], start: Mapping[StateKey, Event]) -> dict[StateKey, Event]:
    """The outcome of each conflict, kind by kind; a conflict over ordinary state may end with nothing."""
    settled: dict[StateKey, Event] = {}
    for event_type in AUTHORITY:
        state = {**start, **settled}
        settled.update((k, _last_in_chain(v, state)) for k, v in conflicts.items() if k[0] == event_type)
    state = {**start, **settled}
    for key, events in conflicts.items():
        if key[0] not in AUTHORITY:
            winner = next((event for event in reversed(events) if _allowed(event, state)), None)
            settled.update({key: winner} if winner is not None else {})
    return settled


def _last_in_chain(events: Sequence[Event], state: Mapping[StateKey, Event]) -> Event:
    """The first event is taken as it is; then each that the one before it allows, up to the first that is refused."""
    winner = events[0]
    for event in events[1:]:
        if not _allowed(event, {**state, winner.key: winner}):
            break
        winner = event
    return winner


def _allowed(event: Event, state: Mapping[StateKey, Event]) -> bool:
    try:
        check_with_state(event, state)
    except Forbidden:
        return False
    return True


def _order(events: Iterable[Event]) -> list[Event]:
    """Ascending depth, then descending SHA-1 of the event id."""
    return sorted(events, key=lambda e: (e.depth, -int.from_bytes(_digest(e.event_id), "big")))


def _digest(event_id: EventId) -> bytes:
    return sha1(event_id.encode(), usedforsecurity=False).digest()
