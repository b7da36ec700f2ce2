"""State resolution over stored states: random forked rooms, against whole states at hand; and how little it reads."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution import resolve_full
from oriz_matrix.protocol.resolution.differences import reached_down
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from oriz_matrix.storage import events, interning, resolution, room_state, rooms, timeline
from oriz_matrix.storage.authchains import StoredEvents, Upwards
from oriz_matrix.storage.caches import Caches, StateAt
from oriz_matrix.storage.dialects import Session
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import BranchNid, EventNid, Position, RoomNid, StateKeyNid
from tests.protocol.rooms import ALICE, BOB, Room, after, founded
from tests.protocol.test_reference import Move, World, moves, picked_states
from tests.storage.recording import recorded
from tests.storage.test_room_state import rolled_back
from tests.support import soak
from tests.support.databases import Databases
from tests.support.stores import new_dialect

EXAMPLES = {"sqlite": (60, 1.0), "postgres": (10, 1.0)}
"""How many rooms of a version are tried in a quick run, and about how many seconds that takes."""

GRAPHS = {"sqlite": (300, 1.5), "postgres": (50, 1.5)}

State = Mapping[StateKey, EventId]
versions = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=lambda v: f"v{v.name}")


class Place(NamedTuple):
    """Where states and events are stored."""

    engine: str
    session: Session


@pytest.fixture(scope="module", params=list(EXAMPLES))
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Databases
) -> Iterator[Place]:
    """A connection of each engine, for rooms that each leave no trace."""
    with new_dialect(request.param, tmp_path_factory.mktemp("states"), postgres) as dialect, dialect.session() as held:
        yield Place(request.param, held)


class Stored:
    """A room of the tests of the protocol, stored: its events, and states on a trunk and side branches."""

    def __init__(self, tx: Transaction, room: Room) -> None:
        made = rooms.create(tx, room.room_id, room.version)
        self.tx = tx
        self.room = room
        self.nid: RoomNid = made.nid
        self.trunk = made.current
        self.numbers = {event_id: EventNid(number) for number, event_id in enumerate(room.known, 1)}
        self.names = {number: event_id for event_id, number in self.numbers.items()}
        self._positions = count(1)
        self._keys: dict[StateKey, StateKeyNid] = {}
        self._write(list(room.known.values()))

    def _write(self, new: Sequence[Event]) -> None:
        numbers = self.numbers
        events.add(self.tx, self.nid, {numbers[event.event_id]: event for event in new})
        timeline.add(self.tx, [self._entry(event) for event in new], {numbers[e.event_id]: e for e in new})
        edges = {(numbers[e.event_id], numbers[auth]): None for e in new if e.is_state for auth in e.auth_event_ids}
        events.link_auth(self.tx, list(edges))
        for event_id in self.room.refused:
            sql = "UPDATE event_status SET rejected = 'for a test' WHERE event = :event"
            self.tx.run(sql, event=numbers[event_id])

    def _entry(self, event: Event) -> Entry:
        number = self.numbers[event.event_id]
        return Entry(
            event=number,
            room=self.nid,
            sender=interning.user(self.tx, event.sender),
            state_key=self.key(event.key) if event.is_state else None,
            replaces=None,
            position=Position(number),
            back=0,
            branch=BranchNid(0),
            state_at=Position(0),
            redacted_by=None,
            unread=0,
        )

    def key(self, key: StateKey) -> StateKeyNid:
        """The number of a key."""
        if key not in self._keys:
            self._keys[key] = interning.state_key(self.tx, key)
        return self._keys[key]

    def change(self, state: StateAt, new: State, order: Sequence[StateKey] = ()) -> StateAt:
        """The head of the branch once it holds a new state; `order` says which keys change first."""
        before = room_state.at(self.tx, state)
        changes = room_state.Changes(state.branch)
        position = state.position
        own = room_state.changes(self.tx, state.branch, Position(-1), position)
        wanted = {self.key(key): self.numbers[event_id] for key, event_id in new.items()}
        keys = dict.fromkeys([*(self.key(key) for key in order), *sorted({*before, *wanted})])
        for key in keys:
            if before.get(key) != wanted.get(key):
                position = Position(next(self._positions))
                changes.put(key, wanted.get(key), position, replaces=key in own)
        changes.write(self.tx)
        return StateAt(state.branch, position)

    def fork(self, state: StateAt) -> StateAt:
        """A new side branch."""
        return StateAt(room_state.fork(self.tx, self.nid, state), state.position)

    def resolved(self, states: Sequence[StateAt]) -> dict[StateKey, EventId]:
        """The whole resolved state, made of the first state and what resolution changes of it."""
        first = room_state.at(self.tx, states[0])
        changes = resolution.resolve(self.tx, self.nid, states)
        assert all(first.get(key) != event for key, event in changes.items())
        whole = {**first, **changes}
        return self._named({key: event for key, event in whole.items() if event is not None})

    def held(self, state: StateAt) -> dict[StateKey, EventId]:
        """A whole state."""
        return self._named(room_state.at(self.tx, state))

    def _named(self, state: Mapping[StateKeyNid, EventNid]) -> dict[StateKey, EventId]:
        keys = interning.state_keys(self.tx, state)
        return {keys[key]: self.names[event] for key, event in state.items()}


@pytest.mark.soak
@versions
def test_random_rooms_are_resolved_from_storage_as_from_whole_states(place: Place, version: RoomVersion) -> None:
    @settings(max_examples=soak.times(*EXAMPLES[place.engine]), deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), plan=st.lists(moves, min_size=5, max_size=45))
    def check(data: st.DataObject, plan: list[Move]) -> None:
        world = World(version)
        for move in plan:
            world.play(move)
        candidates = [event.event_id for event in world.room.known.values() if event.type != "m.room.create"]
        world.room.refused = set(data.draw(st.lists(st.sampled_from(candidates), max_size=3)))
        states = [*world.branches, *(data.draw(picked_states(world)) for _ in range(data.draw(st.integers(0, 2))))]
        with rolled_back(place.session):
            stored = Stored(Transaction(place.session, Caches()), world.room)
            _compare(stored, data.draw(st.permutations(states)), data)

    check()


def _compare(stored: Stored, states: Sequence[State], data: st.DataObject) -> None:
    """Lays the states onto branches in one of many ways, and resolves them."""
    first, *others = states
    keys = sorted({key for state in states for key in state})
    trunk = [stored.change(stored.trunk, first, data.draw(st.permutations(keys)))]
    laid = [trunk[0]]
    for state in others:
        start = data.draw(st.sampled_from([*laid, StateAt(trunk[0].branch, Position(trunk[0].position // 2))]))
        laid.append(stored.change(stored.fork(start), state))
    if data.draw(st.booleans()):  # the first state, too, on a branch, while the trunk goes on to something else
        side = stored.fork(trunk[0])
        stored.change(trunk[0], data.draw(st.sampled_from(states)))
        laid[0] = side
    assert stored.resolved(laid) == resolve_full(stored.room.version, states, stored.room)


@pytest.mark.soak
def test_what_part_of_a_state_reaches_is_found_from_below_as_from_above(place: Place) -> None:
    """Any events may cite any older ones, and any may stand in the state: more than an honest room has."""

    @settings(max_examples=soak.times(*GRAPHS[place.engine]), deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), plan=st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(1, 8), max_size=3))))
    def check(data: st.DataObject, plan: list[tuple[int, set[int]]]) -> None:
        room, known = Room(ROOM_VERSIONS["11"]), list[Event]()
        for key, back in plan:
            cited = [known[-steps] for steps in sorted(back) if steps <= len(known)]
            known.append(room.event("org.example.note", ALICE, {}, str(key), auth=cited))
        with rolled_back(place.session):
            stored = Stored(Transaction(place.session, Caches()), room)
            trunk = stored.change(stored.trunk, data.draw(_any_state(known)))
            state, held = trunk, stored.held(trunk)
            if data.draw(st.booleans()):
                held = data.draw(_any_state(known))
                state = stored.change(stored.fork(trunk), held)
            differing = data.draw(st.sets(st.sampled_from(sorted(held)))) if held else set()
            part = room_state.part(stored.tx, state, {stored.key(key) for key in differing})
            upwards = Upwards(stored.tx, part)
            agreed = [event_id for key, event_id in held.items() if key not in differing]
            for some in (data.draw(st.sets(st.sampled_from(list(room.known)))) if known else set(), room.known):
                reached = upwards.reached([stored.numbers[i] for i in some])
                assert {stored.names[nid] for nid in reached} == reached_down(list(some), agreed, room)

    check()


def test_the_database_answers_a_resolution_as_the_room_itself(place: Place) -> None:
    room, state = founded(ROOM_VERSIONS["11"], {"users": {ALICE: 100}})
    for number in range(3):
        new = room.in_state(state, "m.room.join_rules", ALICE, {"join_rule": str(number)}, "")
        state = after(state, new)
    room.refused = {new.event_id}
    with rolled_back(place.session):
        stored = Stored(Transaction(place.session, Caches()), room)
        source = StoredEvents(stored.tx)
        assert {i: e.pdu for i, e in source.events(room.known).items()} == {i: e.pdu for i, e in room.known.items()}
        assert source.rejected(room.known) == room.refused
        edges, depths = StoredEvents(stored.tx).auth_edges(room.known), StoredEvents(stored.tx).auth_depths(room.known)
        assert edges.keys() == depths.keys() == room.known.keys()
        for event_id, event in room.known.items():
            assert set(edges[event_id]) == set(event.auth_event_ids)
            assert all(depths[auth] < depths[event_id] for auth in event.auth_event_ids)


def _any_state(known: Sequence[Event]) -> st.SearchStrategy[dict[StateKey, EventId]]:
    chosen = st.lists(st.sampled_from(known), max_size=8) if known else st.just(list[Event]())
    return chosen.map(lambda some: {event.key: event.event_id for event in some})


CHANGES = 30
"""How many there are on each side of a long fork."""

ROWS_A_CHANGE = 15
"""Its event, id and key, the state before it, its auth events, what cites it."""


def _crowd(version: RoomVersion, size: int) -> tuple[Room, list[State]]:
    """A room of many members, and the two states to which a long fork has brought it."""
    levels = {"users": {BOB: 100} if version.privileged_creators else {ALICE: 100, BOB: 100}}
    room, state = founded(version, levels)
    whole = dict(state)
    for user in [BOB, *(f"@crowd{number}:one" for number in range(size))]:
        joined = room.in_state(state, "m.room.member", user, {"membership": "join"}, user)
        whole[joined.key] = joined.event_id
    return room, [_side(room, whole, sender, start) for sender, start in ((ALICE, 0), (BOB, CHANGES // 2))]


def _side(room: Room, state: State, sender: str, start: int) -> State:
    """A third of the changes bans members, a third changes the power levels, the rest is ordinary state."""
    for number in range(start, start + CHANGES):
        target = f"@crowd{number}:one"
        if number % 3 == 0:
            new = room.in_state(state, "m.room.member", sender, {"membership": "ban"}, target)
        elif number % 3 == 1:
            power = room.known[state["m.room.power_levels", ""]].content
            levels = {**power, "users": {**power["users"], target: number}}
            new = room.in_state(state, "m.room.power_levels", sender, levels, "")
        else:
            new = room.in_state(state, "org.example.note", sender, {"n": number}, str(number))
        state = after(state, new)
    return state


@pytest.mark.parametrize("version", [ROOM_VERSIONS[name] for name in ("1", "2", "12")], ids=["v1", "v2", "v2.1"])
def test_a_long_fork_of_a_large_room_is_resolved_without_reading_the_room(place: Place, version: RoomVersion) -> None:
    rows = {size: _rows_read(place, version, size) for size in (200, 2_000)}
    assert rows[2_000] <= rows[200] + 5
    assert rows[200] <= ROWS_A_CHANGE * 2 * CHANGES


def _rows_read(place: Place, version: RoomVersion, size: int) -> int:
    """How many rows come out of the database while a long fork is resolved; nothing is in memory before."""
    room, (ours, theirs) = _crowd(version, size)
    with rolled_back(place.session):
        stored = Stored(Transaction(place.session, Caches()), room)
        common = {key: event for key, event in ours.items() if theirs.get(key) == event}
        begun = stored.change(stored.trunk, common)
        states = [stored.change(stored.fork(begun), theirs), stored.change(begun, ours)]
        with recorded() as seen:
            resolution.resolve(stored.tx, stored.nid, states)
        assert stored.resolved(states) == resolve_full(version, [theirs, ours], room)
        return seen.rows
