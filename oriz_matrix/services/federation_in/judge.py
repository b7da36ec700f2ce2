"""What becomes of an event of another server: the checks of its fate, on what is stored.

Server-server API, "Checks performed on receipt of a PDU", steps 4 to 7, and "Soft failure". Nothing is written here.
Events are judged as they were sent, without regard to redactions, so that two servers that know different ones agree.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.authorization import auth_keys_of, check_with_state, may_redact
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE, MEMBER, POWER_LEVELS
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, ServerName, UserId, other_server
from oriz_matrix.protocol.policy import POLICY, PolicyServer, is_recommended
from oriz_matrix.services.federation_in.ends import Behind, behind
from oriz_matrix.services.federation_in.verify import check_by
from oriz_matrix.services.rooms import policy, redact
from oriz_matrix.storage import arrivals, early_redactions, events, followed, interning, resolution, room_state, rooms
from oriz_matrix.storage.arrivals import Stored
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.new_events import StateChange
from oriz_matrix.storage.resolution import Side
from oriz_matrix.storage.room_state import Fork
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, StateKeyNid


class Missing(NamedTuple):
    """What must be known before an event can be judged: previous events with the state after them, and auth events."""

    previous: list[EventId]
    auth: list[EventId]


class Judged(NamedTuple):
    """An event's fate, and the state before it; `hole`: those of its previous events that are in no timeline.

    rejected, soft_failed: why, where it was. policy: the policy server in use, which is still to be heard.
    """

    before: StateAt | Fork
    rejected: str | None
    soft_failed: str | None
    behind: Behind
    hole: list[EventId]
    policy: PolicyServer | None = None


class Simple(NamedTuple):
    """Events that go on where the room ends, one on the other: `state` is what authorizes them.

    redacts: by event, what it redacts. early: redactions that wait for any of them. done: those that were judged
    before, and are no part of `new`.
    """

    room: Room
    state: Mapping[StateKey, Event]
    new: list[Event]
    redacts: list[EventNid | None]
    done: list[Event]
    early: list[tuple[EventId, EventNid]]


def simple(tx: Transaction, name: RoomName, waiting: Sequence[Event]) -> Simple:
    """As many of the events, in their order, as go on simply where the room ends and are allowed."""
    room = rooms.get(tx, [name.nid])[name.nid]
    state = _state(tx, room.current, _keys(waiting))
    ids = {event.event_id for event in waiting}
    stored = arrivals.find(tx, ids.union(*(event.auth_event_ids for event in waiting)))
    cited = _by_id(tx, [one.number for i, one in stored.items() if i not in ids])
    rejected = {i: one.rejected for i, one in stored.items() if one.rejected is not None}
    ends = {event_id for event_id, _ in room.extremities}
    done: list[Event] = []
    found: list[tuple[Event, EventNid | None]] = []
    now = dict(state)
    policy_server = policy.in_use(tx, room, state)
    for event in waiting:
        if (one := stored.get(event.event_id)) is not None and not one.is_outlier and one.rejected is None:
            done.append(event)
            continue
        auth = [cited[i] for i in event.auth_event_ids if i in cited]
        if event.event_id in stored or set(event.prev_event_ids) != ends or len(auth) < len(event.auth_event_ids):
            break
        target = redacted_by(tx, name, now, event)
        if not _is_allowed(event, auth, _with_create(tx, event, cited), rejected, now) or target is HELD_BACK:
            break
        if policy_server is not None and not is_recommended(event, policy_server):
            break
        found.append((event, target))
        ends = {event.event_id}
        cited[event.event_id] = event
        if event.is_state:
            now[event.key] = event
            if event.key == POLICY or (POLICY in now and event.type == MEMBER):
                break  # another policy server may be in use after it
    new = [event for event, _ in found]
    return Simple(room, state, new, [target for _, target in found], done, early(tx, new, now))


def _is_allowed(
    event: Event,
    auth: Sequence[Event],
    known: Mapping[EventId, Event],
    rejected: Mapping[EventId, object],
    state: Mapping[StateKey, Event],
) -> bool:
    try:
        check_by(event, auth, known, rejected)
        check_with_state(event, state)
    except Forbidden:
        return False
    return True


HELD_BACK = EventNid(-1)
"""Stands for the target of a redaction that does nothing: the target is not known, or may not be redacted by it."""


def redacted_by(tx: Transaction, name: RoomName, state: Mapping[StateKey, Event], event: Event) -> EventNid | None:
    """The event that this one redacts; None for what is no redaction, HELD_BACK where it may not be shown."""
    if not redact.is_redaction(event):
        return None
    named = redact.named(event)
    target = next(iter(arrivals.find(tx, [] if named is None else [named]).values()), None)
    if target is None or target.room != name.nid or target.is_outlier:
        return HELD_BACK
    body = events.load(tx, [target.number])[target.number]
    return target.number if may_redact(event, body, state) else HELD_BACK


def early(tx: Transaction, new: Sequence[Event], state: Mapping[StateKey, Event]) -> list[tuple[EventId, EventNid]]:
    """The redactions that came before these events and may redact them."""
    by_id = {event.event_id: event for event in new}
    waiting = early_redactions.find(tx, list(by_id))
    bodies = events.load(tx, [redaction for _, redaction in waiting])
    return [(i, redaction) for i, redaction in waiting if may_redact(bodies[redaction], by_id[i], state)]


def judge(tx: Transaction, name: RoomName, event: Event) -> Missing | Judged:
    """An event's fate, or what must be known first."""
    previous = arrivals.find(tx, event.prev_event_ids)
    auth = arrivals.find(tx, event.auth_event_ids)
    unknown = [i for i in event.prev_event_ids if i not in previous or previous[i].after is None]
    missing = Missing(unknown, [i for i in event.auth_event_ids if i not in auth])
    if missing.previous or missing.auth:
        return missing
    room = rooms.get(tx, [name.nid])[name.nid]
    bodies = _by_id(tx, [one.number for one in auth.values()])
    before = _before(tx, room, [previous[i] for i in event.prev_event_ids])
    hole = [i for i in event.prev_event_ids if previous[i].is_outlier]
    lies_behind = behind(tx, room, event.prev_event_ids, previous)
    keys = auth_keys_of(event)
    try:
        rejected = {i: one.rejected for i, one in auth.items() if one.rejected is not None}
        cited = [bodies[i] for i in event.auth_event_ids]
        check_by(event, cited, _with_create(tx, event, bodies), rejected)
        _check_before(event, _state(tx, before, [CREATE, *keys]))
    except Forbidden as error:
        return Judged(before, error.message, None, lies_behind, hole)
    now = _state(tx, room.current, [CREATE, POLICY, *keys])
    return Judged(before, None, _refusal(event, now), lies_behind, hole, policy.in_use(tx, room, now))


def _check_before(event: Event, state: Mapping[StateKey, Event]) -> None:
    if event.type == CREATE[0] or not event.prev_event_ids:
        raise Forbidden("prev_events: a room begins once")
    check_with_state(event, state)


def _before(tx: Transaction, room: Room, previous: Sequence[Stored]) -> StateAt | Fork:
    """The state before an event: what the states after its previous events resolve to; before none there is nothing."""
    states = list(dict.fromkeys(one.after for one in previous if one.after is not None))
    if not states:
        return room.nothing
    if len(states) == 1:
        return states[0]
    resolved = resolution.resolve(tx, room.nid, states)
    return Fork(states[0], resolved) if resolved else states[0]


class Outcome(NamedTuple):
    """What a kept event changes when it becomes an end of its room; `replaces` stood under its key before it.

    redacts, early: as in `Simple`. refusal: why the current state does not let it, if it does not. retired: ends that
    are none any more. is_end: it is none where an accepted event came before it and stands upon it.
    """

    room: Room
    changes: list[StateChange]
    replaces: EventNid | None
    state: Mapping[StateKey, Event]
    redacts: EventNid | None
    early: list[tuple[EventId, EventNid]]
    refusal: str | None
    retired: set[EventId]
    is_end: bool


def outcome(
    tx: Transaction, name: RoomName, event: Event, kept: Stored, ends_behind: Iterable[EventId], here: ServerName
) -> Outcome:
    """The current state after an event, against the one that the room has now."""
    room = rooms.get(tx, [name.nid])[name.nid]
    after = kept.after
    assert kept.before is not None
    assert after is not None
    present = {end for end, _ in room.extremities}
    passed = followed.among(tx, name.nid, [event.event_id, *present])
    retired = present & {*event.prev_event_ids, *ends_behind, *passed}
    others = arrivals.find(tx, present - retired)
    is_end = not others or event.event_id not in passed
    ends = [one.after for one in others.values() if one.after is not None]
    states = list(dict.fromkeys([*ends, after] if is_end else ends))
    if room.current in states:
        states.remove(room.current)
        states.insert(0, room.current)
    resolved = resolution.resolve(tx, name.nid, states) if len(states) > 1 else {}
    changed = _against(tx, room.current, states[0], resolved)
    key = interning.find_state_keys(tx, [event.key]).get(event.key) if event.is_state else None
    replaces = room_state.get(tx, kept.before, [key]).get(key) if key is not None else None
    state = _state(tx, room.current, _keys([event]))
    return Outcome(
        room=room,
        changes=_changes(tx, changed, here),
        replaces=replaces,
        state=state,
        redacts=redacted_by(tx, name, state, event),
        early=early(tx, [event], state),
        refusal=_refusal(event, state),
        retired=retired,
        is_end=is_end,
    )


def _refusal(event: Event, state: Mapping[StateKey, Event]) -> str | None:
    """Why a state does not allow an event; None where it does."""
    try:
        check_with_state(event, state)
    except Forbidden as error:
        return error.message
    return None


def _against(tx: Transaction, current: StateAt, first: StateAt, resolved: Side) -> Side:
    """What a state that is `first` but for what was resolved has otherwise than the current one."""
    differing = room_state.difference(tx, current, first) if current != first else {}
    wanted = {key: right for key, (_, right) in differing.items()} | resolved
    present = room_state.get(tx, current, sorted(wanted))
    return {key: event for key, event in wanted.items() if present.get(key) != event}


def _changes(tx: Transaction, changed: Side, here: ServerName) -> list[StateChange]:
    keys = interning.state_keys(tx, changed)
    bodies = events.load(tx, [event for event in changed.values() if event is not None])
    return [_change(key, event, keys[key], bodies, here) for key, event in changed.items()]


def _change(
    nid: StateKeyNid, event: EventNid | None, key: StateKey, bodies: Mapping[EventNid, Event], here: ServerName
) -> StateChange:
    if key[0] != MEMBER:
        return StateChange(nid, event)
    body = bodies[event] if event is not None else None
    now = str(body.content.get("membership")) if body is not None else "leave"
    return StateChange(nid, event, (UserId(key[1]), now, other_server(key[1], here)))


def _keys(waiting: Iterable[Event]) -> list[StateKey]:
    keys = [CREATE, POWER_LEVELS, POLICY]
    for event in waiting:
        keys += auth_keys_of(event)
    return list(dict.fromkeys(keys))


def _state(tx: Transaction, state: StateAt | Fork, keys: Collection[StateKey]) -> dict[StateKey, Event]:
    numbers = interning.find_state_keys(tx, sorted(set(keys)))
    found = room_state.pick(tx, state, list(numbers.values()))
    bodies = events.load(tx, found.values())
    return {key: bodies[found[nid]] for key, nid in numbers.items() if nid in found}


def _by_id(tx: Transaction, numbers: Collection[EventNid]) -> dict[EventId, Event]:
    return {event.event_id: event for event in events.load(tx, numbers).values()}


def _with_create(tx: Transaction, event: Event, known: Mapping[EventId, Event]) -> Mapping[EventId, Event]:
    """The events with the create event beside them, in the versions where nothing lists it."""
    create = EventId("$" + event.room_id[1:])
    if event.version.create_in_auth_events or create in known:
        return known
    return {**known, **_by_id(tx, list(events.find(tx, [create]).values()))}
