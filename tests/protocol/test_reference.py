"""Random rooms with forks: the library against the reference, for every room version.

A room grows by moves on up to three branches; each event is judged by both implementations in the state of its branch,
and branches are merged by both. `Upwards` answers for the agreed state by the other of the two walks.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.authorization import auth_keys_of, check_auth_events, check_with_state
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution import AgreedState, resolve, resolve_full
from oriz_matrix.protocol.resolution.differences import reached_up
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from tests.protocol.reference import authorization as reference
from tests.protocol.reference import resolution as reference_resolution
from tests.protocol.rooms import ALICE, BOB, CARL, DAVE, ZOE, Room, after, as_events, founded

USERS = [ALICE, BOB, CARL, DAVE, ZOE]
LEVELS = [0, 50, 100, 49, 75, 101, -1, "50", " +075 ", 49.9, "fifty", True, None, [], {}]
NAMES = ["ban", "kick", "invite", "redact", "state_default", "events_default", "users_default"]
RULES = ["public", "invite", "knock", "restricted", "knock_restricted", "private"]
KINDS = 18

StateMap = dict[StateKey, EventId]


@dataclass(frozen=True)
class Move:
    """What happens next: small numbers, so that a failing room shrinks well."""

    kind: int
    branch: int
    actor: int
    target: int
    value: int
    time: int


small = st.integers(0, 5)
moves = st.builds(
    Move,
    kind=st.integers(0, KINDS + 3),
    branch=st.integers(0, 2),
    actor=st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4]),
    target=st.integers(0, len(USERS) - 1),
    value=st.sampled_from([0, 1, 1, 2, 2, 3, 4, 5, *range(6, len(LEVELS))]),
    time=small,
)


class Upwards(AgreedState):
    """The agreed state as a store would answer for it: from the candidates up to the events that cite them."""

    def __init__(self, ids: StateMap, room: Room) -> None:
        super().__init__(ids, room)
        self._held = set(ids.values())
        self._room = room

    def reaching(self, ids: Collection[EventId]) -> Collection[EventId]:
        return reached_up(ids, self._room.citing, self._held.intersection)


class World:
    """A room that grows, with its branches."""

    def __init__(self, version: RoomVersion) -> None:
        levels: dict[str, Any] = {"users": {} if version.privileged_creators else {ALICE: 100}, "invite": 50}
        self.room, state = founded(version, levels)
        self.branches = [state]

    def play(self, move: Move) -> None:
        """One move: an event, a fork or a merge."""
        index = move.branch % len(self.branches)
        if move.kind < KINDS:
            self._send(move, index)
        elif len(self.branches) < 3 and move.kind < KINDS + 3:
            self.branches.append(dict(self.branches[index]))
        elif len(self.branches) > 1:
            self.branches[0] = self.merge([self.branches[0], self.branches.pop()])

    def merge(self, states: Sequence[StateMap]) -> StateMap:
        """Both resolutions, and the second form of the library's, must agree."""
        expected = reference_resolution.resolve(states, self.room.known, self.room.refused)
        assert resolve_full(self.room.version, states, self.room) == expected
        agreed, _ = reference_resolution.split(states)
        if self.room.version.name == "1":
            agreed = {key: i for key, i in agreed.items() if all(key in state for state in states)}
        sides = [{k: s.get(k) for state in states for k in state if k not in agreed} for s in states]
        found = resolve(self.room.version, sides, Upwards(agreed, self.room), self.room)
        assert {**agreed, **found} == expected
        return expected

    def _send(self, move: Move, index: int) -> None:
        state = self.branches[index]
        event = self._make(move, state)
        verdict = reference.allowed(event, as_events(self.room, state))
        assert self._library_allows(event, state) == verdict
        if verdict and event.is_state:
            self.branches[index] = after(state, event)
        elif not verdict:
            del self.room.known[event.event_id]

    def _library_allows(self, event: Event, state: StateMap) -> bool:
        """By its auth events and by the whole state, which must say the same: the first were taken from the second."""
        whole = as_events(self.room, state)
        needed = [*auth_keys_of(event), CREATE]
        assert set(auth_keys_of(event)) == reference.selection(event)
        cited = [self.room.known[i] for i in event.auth_event_ids]
        listed = {**check_auth_events(event, cited), CREATE: whole[CREATE]}
        assert set(listed) <= set(needed)
        verdicts = {_passes(event, part) for part in (whole, listed)}
        assert len(verdicts) == 1
        return verdicts.pop()

    def _make(self, move: Move, state: StateMap) -> Event:
        actor, target = USERS[move.actor], USERS[move.target]
        kind, content, state_key = _event(move, actor, target, self._power(state))
        extra = {"redacts": f"$e1:{'one' if move.value % 2 else 'two'}"} if kind == "m.room.redaction" else {}
        event = self.room.in_state(state, kind, actor, content, *([] if state_key is None else [state_key]))
        pdu = {**event.pdu, **extra, "origin_server_ts": move.time, "depth": 4 + move.time}
        again = Event(event.version, event.event_id, event.room_id, pdu)
        self.room.known[event.event_id] = again
        return again

    def _power(self, state: StateMap) -> Mapping[str, Any]:
        event_id = state.get(("m.room.power_levels", ""))
        return self.room.known[event_id].content if event_id is not None else {}


def _passes(event: Event, state: Mapping[StateKey, Event]) -> bool:
    try:
        check_with_state(event, state)
    except Forbidden:
        return False
    return True


def _event(move: Move, actor: str, target: str, power: Mapping[str, Any]) -> tuple[str, dict[str, Any], str | None]:
    """(type, content, state key) of the move's event."""
    changes = {0: ("join", actor), 1: ("join", actor), 2: ("leave", actor), 3: ("invite", target)}
    changes |= {4: ("leave", target), 5: ("ban", target), 6: ("knock", actor), 7: ("join", target), 8: ("odd", actor)}
    if move.kind in changes:
        membership, state_key = changes[move.kind]
        via = {"join_authorised_via_users_server": target} if move.kind == 1 else {}
        return "m.room.member", {"membership": membership, **via}, state_key
    if move.kind in (9, 10):
        users = {**power.get("users", {}), target: LEVELS[move.value]}
        return "m.room.power_levels", {**power, "users": users}, ""
    if move.kind == 11:
        return "m.room.power_levels", {**power, NAMES[move.target]: LEVELS[move.value]}, ""
    if move.kind == 12:
        name = "events" if move.value % 2 else "notifications"
        return "m.room.power_levels", {**power, name: {"m.room.topic": LEVELS[move.value]}}, ""
    others: dict[int, tuple[str, dict[str, Any], str | None]] = {
        13: ("m.room.join_rules", {"join_rule": RULES[move.time]}, ""),
        14: ("m.room.topic", {"topic": str(move.value)}, ""),
        15: ("m.room.aliases", {"aliases": []}, "one" if move.value % 2 else "two"),
        16: ("m.room.redaction", {}, None),
        17: ("org.example.note", {}, target),
    }
    return others[move.kind]


@pytest.mark.soak
@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=lambda v: f"v{v.name}")
@given(data=st.data(), plan=st.lists(moves, min_size=5, max_size=45))
def test_random_rooms_are_judged_and_resolved_as_by_the_reference(
    version: RoomVersion, data: st.DataObject, plan: list[Move]
) -> None:
    world = World(version)
    for move in plan:
        world.play(move)
    world.merge(world.branches)
    candidates = sorted(world.room.known.keys() - {world.branches[0][CREATE]})
    world.room.refused = set(data.draw(st.lists(st.sampled_from(candidates), max_size=3)))
    world.merge(world.branches)
    world.merge([data.draw(picked_states(world)) for _ in range(data.draw(st.integers(2, 3)))])


@st.composite
def picked_states(draw: st.DrawFn, world: World) -> StateMap:
    """A state that no honest server has: for most keys the newest event, for some an older one or none."""
    state = dict(world.branches[0])
    for _ in range(draw(small)):
        event = draw(st.sampled_from([e for e in world.room.known.values() if e.is_state and e.key != CREATE]))
        state[event.key] = event.event_id
    for key in draw(st.lists(st.sampled_from(sorted(state.keys() - {CREATE})), max_size=2)):
        state.pop(key, None)
    return state
