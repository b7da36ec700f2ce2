"""State resolution: what wins in known quarrels, and how little is read for it."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.event_contents import CREATE, JOIN_RULES, POWER_LEVELS, member_key
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution import AgreedState, resolve, resolve_full
from oriz_matrix.protocol.resolution.differences import (
    auth_difference,
    conflicted_subgraph,
    reached_down,
    reached_up,
)
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, V1, V2, V11, V12, RoomVersion
from tests.protocol.rooms import ALICE, BOB, CARL, DAVE, Room, after, founded

ALL = list(ROOM_VERSIONS.values())
TOPIC: StateKey = ("m.room.topic", "")


def versions(chosen: Sequence[RoomVersion] = ALL) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("version", chosen, ids=lambda v: f"v{v.name}")


class Forked:
    """A public room of Alice (100 or creator), Bob (50), Carl and Dave, before its fork."""

    def __init__(self, version: RoomVersion, **levels: Any) -> None:
        users = {BOB: 50} if version.privileged_creators else {ALICE: 100, BOB: 50}
        self.room, self.state = founded(version, {"users": users, **levels})
        for user in (BOB, CARL, DAVE):
            self.state = after(self.state, self.member(self.state, user, "join"))

    def send(self, state: Mapping[StateKey, EventId], kind: str, sender: str, content: Any, key: str = "") -> Event:
        return self.room.in_state(state, kind, sender, content, key)

    def member(
        self, state: Mapping[StateKey, EventId], sender: str, membership: str, target: str | None = None
    ) -> Event:
        return self.send(state, "m.room.member", sender, {"membership": membership}, target or sender)

    def topic(self, state: Mapping[StateKey, EventId], sender: str, text: str = "") -> Event:
        return self.send(state, "m.room.topic", sender, {"topic": text})

    def power(self, state: Mapping[StateKey, EventId], sender: str, **changes: Any) -> Event:
        old = self.room.known[state[POWER_LEVELS]].content
        return self.send(state, "m.room.power_levels", sender, {**old, **changes})

    def resolve(self, *states: Mapping[StateKey, EventId]) -> dict[StateKey, EventId]:
        return resolve_full(self.room.version, [dict(s) for s in states], self.room)


@versions()
def test_equal_states_need_no_resolution(version: RoomVersion) -> None:
    fork = Forked(version)
    assert fork.resolve(fork.state, fork.state) == fork.state
    assert fork.resolve(fork.state) == fork.state


@versions()
def test_changes_of_different_keys_are_all_kept(version: RoomVersion) -> None:
    fork = Forked(version)
    topic, leave = fork.topic(fork.state, ALICE), fork.member(fork.state, CARL, "leave")
    merged = fork.resolve(after(fork.state, topic), after(fork.state, leave))
    assert merged == after(fork.state, topic, leave)


@versions(ALL[1:])
def test_a_ban_beats_what_the_banned_does_meanwhile(version: RoomVersion) -> None:
    fork = Forked(version, state_default=0)
    ban = fork.member(fork.state, BOB, "ban", CARL)
    old = fork.topic(fork.state, ALICE)
    state = after(fork.state, old)
    late = fork.topic(state, CARL)
    merged = fork.resolve(after(state, ban), after(state, late))
    assert merged == after(state, ban)


@versions(ALL[1:])
def test_the_more_powerful_acts_first_though_it_came_later(version: RoomVersion) -> None:
    fork = Forked(version)
    by_bob = fork.member(fork.state, BOB, "ban", DAVE)
    by_alice = fork.member(fork.state, ALICE, "ban", BOB)
    merged = fork.resolve(after(fork.state, by_bob), after(fork.state, by_alice))
    assert merged == after(fork.state, by_alice)


@versions(ALL[1:])
def test_trap_22_equals_are_ordered_by_time_and_then_by_id(version: RoomVersion) -> None:
    fork = Forked(version)
    first, second = (fork.room.event("m.room.topic", ALICE, {}, "", auth=cited(fork, ALICE), ts=ts) for ts in (90, 80))
    assert fork.resolve(after(fork.state, first), after(fork.state, second))[TOPIC] == first.event_id, "the later wins"
    third = fork.room.event("m.room.topic", ALICE, {}, "", auth=cited(fork, ALICE), ts=90)
    last = max(first.event_id, third.event_id)
    assert fork.resolve(after(fork.state, first), after(fork.state, third))[TOPIC] == last


def cited(fork: Forked, sender: str) -> list[Event]:
    listed = [CREATE] if fork.room.version.create_in_auth_events else []
    return [fork.room.known[fork.state[key]] for key in [*listed, POWER_LEVELS, member_key(sender)]]


@versions(ALL[1:])
def test_mainline_order_what_rests_on_newer_power_levels_wins(version: RoomVersion) -> None:
    fork = Forked(version)
    old = fork.room.event("m.room.topic", ALICE, {}, "", auth=cited(fork, ALICE), ts=1000)
    fork.state = after(fork.state, fork.power(fork.state, ALICE, kick=40))
    new = fork.room.event("m.room.topic", ALICE, {}, "", auth=cited(fork, ALICE), ts=10)
    changed = fork.power(fork.state, ALICE, kick=30)
    merged = fork.resolve(after(fork.state, old), after(fork.state, changed, new))
    assert merged[POWER_LEVELS] == changed.event_id
    assert merged[TOPIC] == new.event_id


@versions([V11, V12])
def test_trap_22_msc4297_version_2_1_starts_from_the_empty_state(version: RoomVersion) -> None:
    """Bob's join rule is older than his demotion, which both sides know; only there it must not be undone by that."""
    fork = Forked(version)
    rule = fork.send(fork.state, "m.room.join_rules", BOB, {"join_rule": "knock"})
    users = {user: 0 for user in fork.room.known[fork.state[POWER_LEVELS]].content["users"] if user == BOB}
    own = {} if version.privileged_creators else {ALICE: 100}
    state = after(fork.state, fork.power(fork.state, ALICE, users={**own, **users}))
    merged = fork.resolve(state, after(state, rule))
    assert (merged[JOIN_RULES] == rule.event_id) is (version is V12)


@versions([V11, V12])
def test_trap_22_msc4297_the_conflicted_subgraph_is_judged_too(version: RoomVersion) -> None:
    """One side fell back to old levels. Bob's new ones rest on levels between, which all chains hold, so that they are
    no part of the auth difference; version 2.1 finds them on the path between the two, and Bob keeps his power."""
    fork = Forked(version)
    own = {} if version.privileged_creators else {ALICE: 100}
    old = fork.room.known[fork.state[POWER_LEVELS]]
    between = fork.power(fork.state, ALICE, users={**own, BOB: 60}, events={"m.room.power_levels": 60})
    state = after(fork.state, between)
    state = after(state, fork.member(state, CARL, "join"))
    new = fork.power(state, BOB, kick=1)
    subgraph = conflicted_subgraph({old.event_id, new.event_id}, fork.room)
    paths = {old.event_id, between.event_id, new.event_id, fork.state[member_key(BOB)], fork.state[JOIN_RULES]}
    assert subgraph == paths
    winner = fork.resolve(after(state, old), after(state, new))[POWER_LEVELS]
    assert winner == (new.event_id if version is V12 else old.event_id)


@versions(ALL[1:])
def test_auth_events_stand_in_where_the_state_has_nothing_and_may_come_into_it(version: RoomVersion) -> None:
    fork = Forked(version)
    topic = fork.topic(fork.state, BOB)
    lost = {key: i for key, i in fork.state.items() if key != member_key(BOB)}
    merged = fork.resolve(lost, after(lost, topic))
    assert merged[TOPIC] == topic.event_id
    assert merged[member_key(BOB)] == fork.state[member_key(BOB)], "the auth difference is part of the answer"


@versions(ALL[1:])
def test_what_all_states_agree_on_stays_whatever_the_auth_difference_holds(version: RoomVersion) -> None:
    fork = Forked(version, state_default=0)
    again = fork.member(fork.state, DAVE, "join")
    topic = fork.topic(after(fork.state, again), DAVE)
    assert fork.resolve(fork.state, after(fork.state, topic)) == after(fork.state, topic)


@versions([V2, V12])
def test_trap_17_rejected_auth_events_do_not_stand_in(version: RoomVersion) -> None:
    fork = Forked(version)
    topic = fork.topic(fork.state, BOB)
    lost = {key: i for key, i in fork.state.items() if key != POWER_LEVELS}
    assert fork.resolve(lost, after(lost, topic)) == after(lost, topic), "Bob has his level from the auth event"
    fork.room.refused = {fork.state[POWER_LEVELS]}
    assert fork.resolve(lost, after(lost, topic)) == lost


@versions([V2])
def test_an_event_without_create_event_behind_it_has_no_power(version: RoomVersion) -> None:
    fork = Forked(version)
    bare = fork.room.event("m.room.power_levels", ALICE, {}, "")
    assert fork.resolve(fork.state, after(fork.state, bare))[POWER_LEVELS] == bare.event_id


# Version 1


def test_version_1_the_chain_of_power_levels_stops_at_the_first_that_is_refused() -> None:
    fork = Forked(V1)
    demotes = fork.power(fork.state, ALICE, users={ALICE: 100})
    by_bob = fork.power(fork.state, BOB, kick=49)
    again = fork.power(fork.state, ALICE, kick=48)
    merged = fork.resolve(*(after(fork.state, e) for e in (demotes, by_bob, again)))
    assert merged == after(fork.state, demotes)
    assert fork.resolve(after(fork.state, by_bob), fork.state) == after(fork.state, by_bob)


def test_version_1_takes_the_deepest_that_is_allowed_of_ordinary_state() -> None:
    fork = Forked(V1)
    first, second, refused = (fork.topic(fork.state, user) for user in (ALICE, BOB, CARL))
    assert fork.resolve(*(after(fork.state, e) for e in (first, second, refused)))[TOPIC] == second.event_id
    deep = [fork.room.event("m.room.topic", CARL, {}, "") for _ in range(2)]
    assert TOPIC not in fork.resolve(*(after(fork.state, e) for e in deep))


def test_version_1_equal_depths_are_ordered_by_the_hash_of_the_id() -> None:
    fork = Forked(V1)
    events = [fork.room.event("m.room.topic", ALICE, {}, "", depth=99) for _ in range(5)]
    lowest = min(events, key=lambda e: sha1(e.event_id.encode()).hexdigest())
    assert fork.resolve(*(after(fork.state, e) for e in events))[TOPIC] == lowest.event_id


# The walks


class Graph:
    """A random auth graph: event n cites some of those before it."""

    def __init__(self, edges: Sequence[Collection[int]]) -> None:
        self.edges = {name(n): {name(a % n) for a in cited} if n else set() for n, cited in enumerate(edges)}

    def auth_edges(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        return {i: self.edges[i] for i in ids}

    def auth_depths(self, ids: Collection[EventId]) -> Mapping[EventId, int]:
        return {i: 1 + max(self.auth_depths(self.edges[i]).values(), default=0) for i in ids}

    def citing(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        return {i: [c for c, cited in self.edges.items() if i in cited] for i in ids}

    def chain(self, ids: Collection[EventId]) -> set[EventId]:
        return set().union(*(self.edges[i] | self.chain(self.edges[i]) for i in ids))


def name(number: int) -> EventId:
    return EventId(f"${number}")


places = st.integers(0, 13)
some = st.sets(places.map(name), max_size=4)


@given(
    edges=st.lists(st.sets(places, max_size=3), min_size=14, max_size=14),
    sides=st.lists(some, min_size=1, max_size=3),
    agreed=some,
)
def test_the_walks_find_the_sets_of_the_definitions(
    edges: list[set[int]], sides: list[set[EventId]], agreed: set[EventId]
) -> None:
    graph = Graph(edges)
    held = set().union(*sides)
    sides = [side - agreed for side in sides]
    chains = [graph.chain(side | agreed) for side in sides]
    difference = set().union(*chains) - chains[0].intersection(*chains)

    def reaching(ids: Collection[EventId]) -> set[EventId]:
        assert reached_up(ids, graph.citing, agreed.intersection) == reached_down(ids, agreed, graph)
        return reached_down(ids, agreed, graph)

    assert auth_difference(sides, graph, reaching) == difference
    assert auth_difference(sides, graph, reaching, settled=held) | held == difference | held
    assert reached_down(held, agreed, graph) == graph.chain(agreed) & held
    between = {i for i in graph.chain(held) if graph.chain([i]) & held}
    assert conflicted_subgraph(held, graph) == held | between


class Counting(AgreedState):
    """Counts what is asked."""

    def __init__(self, ids: Mapping[StateKey, EventId], room: Room) -> None:
        super().__init__(ids, room)
        self.asked: list[Collection[EventId]] = []

    def reaching(self, ids: Collection[EventId]) -> Collection[EventId]:
        self.asked.append(ids)
        return super().reaching(ids)


class Stingy(Room):
    """A source that remembers which events were fetched."""

    fetched: set[EventId]

    def events(self, ids: Collection[EventId]) -> Mapping[EventId, Event]:
        self.fetched |= set(ids)
        return super().events(ids)


@versions(ALL[1:])
def test_resolution_does_not_read_the_state(version: RoomVersion) -> None:
    """A room with a long history of levels and many members: two new members on two sides cost a handful of reads."""
    fork = Forked(version)
    for n in range(100):
        fork.state = after(fork.state, fork.power(fork.state, ALICE, kick=n % 50))
    for n in range(300):
        fork.state = after(fork.state, fork.member(fork.state, f"@u{n}:one", "join"))
    new = [fork.member(fork.state, f"@new{n}:one", "join") for n in (0, 1)]
    agreed = Counting(fork.state, fork.room)
    source = Stingy(version, fork.room.known)
    source.fetched = set()
    found = resolve(version, [{e.key: e.event_id} for e in new], agreed, source)
    assert found == {e.key: e.event_id for e in new}
    assert len(source.fetched) < 10 + 110, "the mainline is walked, members are not"
    assert len(agreed.asked) <= 2
    assert sum(len(ids) for ids in agreed.asked) < 10
