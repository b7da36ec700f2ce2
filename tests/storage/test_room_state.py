"""States as intervals against plain dictionaries: random histories of trunks, forks and forks of forks.

Pasts are forgotten on the way.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule, run_state_machine_as_test

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.storage import events, interning, room_state, rooms
from oriz_matrix.storage.caches import Caches, StateAt
from oriz_matrix.storage.dialects import Dialect, Session
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import BranchNid, EventNid, Position, RoomNid, StateKeyNid
from tests.storage.talk import VERSION, event
from tests.support import soak
from tests.support.databases import Databases
from tests.support.stores import new_dialect

KEYS = [("m.room.name", ""), ("m.room.topic", ""), *(("m.room.member", f"@u{n}:example.org") for n in range(4))]
EVENTS = range(1, 30)
EXAMPLES = {"sqlite": (200, 3.0), "postgres": (50, 3.0)}
"""How many histories are tried in a quick run, and about how many seconds that takes."""

Contents = dict[StateKeyNid, EventNid]

key_numbers = st.integers(0, len(KEYS) - 1)
chosen_events = st.one_of(st.none(), st.sampled_from(EVENTS))
fractions = st.floats(0, 1)


class Undo(Exception):
    """Ends a history without a trace."""


@contextmanager
def rolled_back(session: Session) -> Iterator[None]:
    """A transaction that leaves nothing behind."""
    with suppress(Undo), session.transaction():
        yield
        raise Undo


class History:
    """What one branch held through time: the dictionary after each change, and the changes themselves."""

    def __init__(self, trunk: BranchNid, base: Contents) -> None:
        self.trunk = trunk
        self.states: list[tuple[int, Contents]] = [(0, base)]
        self.puts: list[tuple[int, StateKeyNid, EventNid | None]] = []
        self.since = 0
        """What was before is forgotten."""

    def at(self, position: int) -> Contents:
        return [state for since, state in self.states if since <= position][-1]

    def course(self, key: StateKeyNid) -> list[tuple[int, EventNid | None]]:
        return self.remembered([(position, event) for position, k, event in self.puts if k == key])

    def remembered(self, course: Sequence[tuple[int, EventNid | None]]) -> list[tuple[int, EventNid | None]]:
        """What of a course may still be asked for: what stood where the memory begins, and all that came later."""
        first = max((n for n, (position, _) in enumerate(course) if position <= self.since), default=0)
        return list(course[first:])

    def put(self, position: int, key: StateKeyNid, event: EventNid | None) -> None:
        state = {**self.states[-1][1]}
        state.pop(key, None)
        self.states.append((position, state if event is None else {**state, key: event}))
        self.puts.append((position, key, event))


class Histories(RuleBasedStateMachine):
    """Changes branches in both worlds, and compares whatever can be asked of them."""

    branches: Bundle[BranchNid] = Bundle("branches")

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._undo = ExitStack()
        self._undo.enter_context(rolled_back(session))
        self.tx = Transaction(session, Caches())
        self.model: dict[BranchNid, History] = {}
        self.own: dict[tuple[BranchNid, StateKeyNid], int] = {}
        """Since when a branch has an entry of its own for a key."""
        self.now = 0

    def teardown(self) -> None:
        self._undo.close()

    @initialize(target=branches)
    def two_rooms(self) -> Any:
        """Two trunks, of which nothing is known to be common; most of what follows happens on the first."""
        self.keys = [interning.state_key(self.tx, key) for key in KEYS]
        made = [rooms.create(self.tx, RoomId(f"!{name}:example.org"), VERSION) for name in ("one", "other")]
        self.room: RoomNid = made[0].nid
        bodies = {EventNid(number): event(RoomId("!one:example.org")) for number in EVENTS}
        events.add(self.tx, self.room, bodies)
        for room in made:
            self.model[room.current.branch] = History(room.current.branch, {})
        return multiple(*(room.current.branch for room in made))

    def _next(self) -> Position:
        self.now += 1
        return Position(self.now)

    def _some(self, branch: BranchNid, fraction: float) -> Position:
        """A position that a branch still remembers."""
        since = self.model[branch].since
        return Position(round(since + fraction * (self.now + 2 - since)))

    @rule(branch=branches, puts=st.lists(st.tuples(key_numbers, chosen_events), min_size=1, max_size=4))
    def change(self, branch: BranchNid, puts: list[tuple[int, EventNid | None]]) -> None:
        """Several changes in one go, possibly of the same key."""
        changes = room_state.Changes(branch)
        for number, event_nid in puts:
            key, position = self.keys[number], self._next()
            changes.put(key, event_nid, position, replaces=(branch, key) in self.own)
            self.own.setdefault((branch, key), position)
            self.model[branch].put(position, key, event_nid)
        changes.write(self.tx)

    @rule(target=branches, branch=branches, fraction=fractions)
    def fork(self, branch: BranchNid, fraction: float) -> BranchNid:
        """A side branch from a moment of the past."""
        at = Position(min(self._some(branch, fraction), self.now))
        made = room_state.fork(self.tx, self.room, StateAt(branch, at))
        assert made not in self.model
        self.model[made] = History(self.model[branch].trunk, self.model[branch].at(at))
        if branch != self.model[branch].trunk:
            copied = [key for (held, key), since in self.own.items() if held == branch and since <= at]
            self.own |= {(made, key): 0 for key in copied}
        return made

    @rule(branch=branches, fraction=fractions)
    def whole(self, branch: BranchNid, fraction: float) -> None:
        state = StateAt(branch, self._some(branch, fraction))
        expected = self.model[branch].at(state.position)
        assert room_state.at(self.tx, state) == expected
        members = {key: event for key, event in expected.items() if key in self.keys[2:]}
        assert room_state.at_type(self.tx, state, "m.room.member") == members

    @rule(branch=branches, fraction=fractions, wanted=st.sets(key_numbers))
    def some_keys(self, branch: BranchNid, fraction: float, wanted: set[int]) -> None:
        state = StateAt(branch, self._some(branch, fraction))
        expected = self.model[branch].at(state.position)
        keys = [self.keys[number] for number in wanted]
        assert room_state.get(self.tx, state, keys) == {key: expected[key] for key in keys if key in expected}

    @rule(branch=branches, one=fractions, two=fractions)
    def what_changed(self, branch: BranchNid, one: float, two: float) -> None:
        after, upto = sorted([self._some(branch, one), self._some(branch, two)])
        state = self.model[branch].at(upto)
        touched = {key for position, key, _ in self.model[branch].puts if after < position <= upto}
        assert room_state.changes(self.tx, branch, after, upto) == {key: state.get(key) for key in touched}

    @rule(one=branches, two=branches, fractions_=st.tuples(fractions, fractions))
    def difference(self, one: BranchNid, two: BranchNid, fractions_: tuple[float, float]) -> None:
        a, b = StateAt(one, self._some(one, fractions_[0])), StateAt(two, self._some(two, fractions_[1]))
        left, right = self.model[one].at(a.position), self.model[two].at(b.position)
        expected = {key: (left.get(key), right.get(key)) for key in {*left, *right} if left.get(key) != right.get(key)}
        assert room_state.difference(self.tx, a, b) == expected

    @rule(number=key_numbers)
    def course(self, number: int) -> None:
        key = self.keys[number]
        trunks = [branch for branch, history in self.model.items() if branch == history.trunk]
        expected = {trunk: course for trunk in trunks if (course := self.model[trunk].course(key))}
        found = room_state.course(self.tx, trunks, key)
        assert {trunk: self.model[trunk].remembered(course) for trunk, course in found.items()} == expected

    @rule(branch=branches, fraction=fractions)
    def forget(self, branch: BranchNid, fraction: float) -> None:
        """The past of a branch goes; what follows reads the same, and so do the side branches that began in it."""
        history = self.model[branch]
        history.since = min(self._some(branch, fraction), self.now)
        room_state.forget_before(self.tx, branch, Position(history.since))


@pytest.fixture(params=list(EXAMPLES))
def engine_and_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Databases
) -> Iterator[tuple[str, Session]]:
    """An engine and a connection of it, for histories that each leave no trace."""
    with new_dialect(request.param, tmp_path_factory.mktemp("states"), postgres) as dialect, dialect.session() as held:
        yield request.param, held


@pytest.mark.soak
def test_states_are_as_dictionaries_would_hold_them(engine_and_session: tuple[str, Session]) -> None:
    engine, session = engine_and_session
    quick = settings(
        max_examples=soak.times(*EXAMPLES[engine]),
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(cast("type[Histories]", lambda: Histories(session)), settings=quick)


def test_a_hundred_forks_of_forks_are_no_deeper_than_one(dialect: Dialect) -> None:
    """Each fork copies its parent's differences, so that no read follows a chain."""
    with dialect.session() as session, session.transaction():
        tx = Transaction(session, Caches())
        room = rooms.create(tx, RoomId("!deep:example.org"), VERSION)
        name, topic = (interning.state_key(tx, key) for key in KEYS[:2])
        events.add(tx, room.nid, {EventNid(number): event(RoomId("!deep:example.org")) for number in range(1, 102)})
        state = room.current
        for number in range(1, 102):
            changes = room_state.Changes(state.branch)
            changes.put(topic if number == 1 else name, EventNid(number), Position(number), replaces=number > 2)
            changes.write(tx)
            before = tx.statements
            assert room_state.get(tx, StateAt(state.branch, Position(number)), [name, topic])[topic] == 1
            assert tx.statements - before <= 3
            state = StateAt(room_state.fork(tx, room.nid, StateAt(state.branch, Position(number))), Position(number))
        assert room_state.at(tx, state) == {topic: 1, name: 101}


def test_of_a_forgotten_past_only_what_a_side_branch_stands_on_stays(dialect: Dialect) -> None:
    with dialect.session() as session, session.transaction():
        tx = Transaction(session, Caches())
        room = rooms.create(tx, RoomId("!old:example.org"), VERSION)
        name = interning.state_key(tx, KEYS[0])
        events.add(tx, room.nid, {EventNid(number): event(RoomId("!old:example.org")) for number in range(1, 11)})
        changes = room_state.Changes(room.current.branch)
        for number in range(1, 11):
            changes.put(name, EventNid(number), Position(number), replaces=number > 1)
        changes.write(tx)
        side = room_state.fork(tx, room.nid, StateAt(room.current.branch, Position(3)))
        assert room_state.forget_before(tx, room.current.branch, Position(9)) == 7
        kept = room_state.course(tx, [room.current.branch], name)[room.current.branch]
        assert kept == [(3, 3), (9, 9), (10, 10)]
        assert room_state.at(tx, StateAt(side, Position(3))) == {name: 3}
