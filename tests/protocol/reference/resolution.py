"""State resolution on whole states and whole auth chains, set by set as the text defines them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cmp_to_key
from hashlib import sha1

from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from tests.protocol.reference.authorization import allowed, number, selection, user_level

Events = Mapping[EventId, Event]
StateMap = dict[StateKey, EventId]


def resolve(states: Sequence[StateMap], events: Events, rejected: Iterable[EventId] = ()) -> StateMap:
    """The resolution of the states, by the room version of their events."""
    if all(state == states[0] for state in states):
        return dict(states[0])
    version = max((number(events[i]) for state in states for i in state.values()), default=1)
    return resolve_v1(states, events) if version == 1 else resolve_v2(states, events, set(rejected), version)


def chain(event_id: EventId, events: Events) -> set[EventId]:
    """The auth chain of an event."""
    return chain_within(event_id, set(events), events)


def split(states: Sequence[StateMap]) -> tuple[StateMap, set[EventId]]:
    """The unconflicted state map and the conflicted state set."""
    keys = {key for state in states for key in state}
    same = {key for key in keys if len({state.get(key) for state in states}) == 1}
    conflicted = {state[key] for state in states for key in state if key not in same}
    return {key: states[0][key] for key in same}, conflicted


def full_conflicted_set(states: Sequence[StateMap], events: Events, version: int) -> set[EventId]:
    """The conflicted set with the auth difference, and with the conflicted subgraph in version 12."""
    _, conflicted = split(states)
    chains = [set().union(*(chain(i, events) for i in state.values())) for state in states]
    full = conflicted | (set().union(*chains) - chains[0].intersection(*chains))
    if version >= 12:
        below = set().union(*(chain(i, events) for i in conflicted))
        full |= {i for i in below if chain(i, events) & conflicted}
    return full


def resolve_v2(states: Sequence[StateMap], events: Events, rejected: set[EventId], version: int) -> StateMap:
    """Steps 1 to 5."""
    unconflicted, _ = split(states)
    full = full_conflicted_set(states, events, version)
    first: set[EventId] = set()
    for power in (i for i in full if is_power_event(events[i])):
        first |= {power} | chain_within(power, full, events)
    partial = iterate({} if version >= 12 else unconflicted, power_ordering(first, events), events, rejected)
    rest = mainline_ordering(full - first, partial.get(("m.room.power_levels", "")), events)
    return iterate(partial, rest, events, rejected) | unconflicted


def chain_within(event_id: EventId, allowed_ids: set[EventId], events: Events) -> set[EventId]:
    """The part of the auth chain that is reached without leaving a set."""
    found: set[EventId] = set()
    pending = [event_id]
    while pending:
        below = (set(events[pending.pop()].auth_event_ids) & allowed_ids) - found
        found |= below
        pending += below
    return found


def is_power_event(event: Event) -> bool:
    """Definition of power events."""
    if event.type in ("m.room.power_levels", "m.room.join_rules"):
        return True
    return (
        event.type == "m.room.member"
        and event.content["membership"] in ("leave", "ban")
        and event.sender != event.state_key
    )


def own_state(event: Event, events: Events) -> dict[StateKey, Event]:
    """The event's auth events, with the create event that a room of version 12 implies."""
    state = {events[i].key: events[i] for i in event.auth_event_ids}
    if number(event) >= 12:
        create = events[EventId("$" + event.room_id[1:])]
        state["m.room.create", ""] = create
    return state


def power_ordering(ids: set[EventId], events: Events) -> list[EventId]:
    """Kahn's algorithm, by the plainest means."""
    left, order = set(ids), []
    while left:
        candidates = [i for i in left if not left & set(events[i].auth_event_ids)]
        smallest = min(
            candidates,
            key=lambda i: (
                -user_level(events[i].sender, own_state(events[i], events)),
                events[i].origin_server_ts,
                i,
            ),
        )
        order.append(smallest)
        left.remove(smallest)
    return order


def power_chain(event_id: EventId | None, events: Events) -> list[EventId]:
    """The power levels in the auth events of the event, those in the auth events of these, and so on."""
    found: list[EventId] = []
    while event_id is not None:
        cited = [i for i in events[event_id].auth_event_ids if events[i].type == "m.room.power_levels"]
        event_id = cited[0] if cited else None
        found += cited
    return found


def mainline_ordering(ids: set[EventId], power: EventId | None, events: Events) -> list[EventId]:
    """By mainline position, the greatest first, then time, then id."""
    mainline = [] if power is None else [power, *power_chain(power, events)]

    def position(event_id: EventId) -> float:
        return next((mainline.index(i) for i in power_chain(event_id, events) if i in mainline), math.inf)

    def compare(x: EventId, y: EventId) -> int:
        if position(x) != position(y):
            return -1 if position(x) > position(y) else 1
        return -1 if (events[x].origin_server_ts, x) < (events[y].origin_server_ts, y) else 1

    return sorted(ids, key=cmp_to_key(compare))


def iterate(start: StateMap, order: Sequence[EventId], events: Events, rejected: set[EventId]) -> StateMap:
    """The iterative auth checks."""
    result = dict(start)
    for event_id in order:
        event = events[event_id]
        state = {key: e for key, e in own_state(event, events).items() if e.event_id not in rejected}
        state |= {key: events[result[key]] for key in selection(event) if key in result}
        if allowed(event, state):
            result[event.key] = event_id
    return result


def resolve_v1(states: Sequence[StateMap], events: Events) -> StateMap:
    """Version 1; a conflict is where states have different events, not where one has none."""
    by_key: dict[StateKey, list[Event]] = {}
    for state in states:
        for key, event_id in state.items():
            if events[event_id] not in by_key.setdefault(key, []):
                by_key[key].append(events[event_id])
    result = {key: found[0] for key, found in by_key.items() if len(found) == 1}
    conflicts = {key: sorted(found, key=v1_key) for key, found in by_key.items() if len(found) > 1}
    kinds = ["m.room.power_levels", "m.room.join_rules", "m.room.member"]
    for kind in kinds:
        before = dict(result)
        for key in (k for k in conflicts if k[0] == kind):
            result[key] = conflicts[key][0]
            for event in conflicts[key][1:]:
                if not allowed(event, before | {key: result[key]}):
                    break
                result[key] = event
    before = dict(result)
    for key in (k for k in conflicts if k[0] not in kinds):
        passing = [event for event in conflicts[key] if allowed(event, before)]
        if passing:
            result[key] = passing[-1]
    return {key: event.event_id for key, event in result.items()}


def v1_key(event: Event) -> tuple[int, list[int]]:
    """Ascending depth, then descending SHA-1."""
    return event.depth, [-byte for byte in sha1(event.event_id.encode()).digest()]
