"""States before events, and what authorizes events, as other servers get them."""

from collections.abc import Iterable

import pytest

from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.services.rooms import pdus as pdu_slices
from oriz_matrix.storage import append, arrivals, interning, rooms
from oriz_matrix.storage.new_events import Arrival, NewEvent
from oriz_matrix.storage.room_state import Fork
from oriz_matrix.storage.transaction import Transaction
from tests.api.federation.neighbour import Neighbour, segment
from tests.support.homeserver import Json, User

VERSIONS = pytest.mark.parametrize("version", ["1", "6", "11", "12"])


async def shared_room(there: Neighbour, alice: User, version: str = "12") -> str:
    """A room of Alice that Bob, of the other server, has joined."""
    room = await alice.create_room(preset="public_chat", room_version=version)
    await there.move(room, "join")
    return room


def read(pdus: Iterable[Json], version: str) -> dict[str, Event]:
    """Events that came over federation, by id; each once."""
    found = [event_from_pdu(pdu, ROOM_VERSIONS[version]) for pdu in pdus]
    assert len({event.event_id for event in found}) == len(found)
    return {event.event_id: event for event in found}


async def state_at(there: Neighbour, room: str, event: str, version: str = "12") -> dict[tuple[str, str], Event]:
    """The state before an event; what the two operations say of it agrees, and its auth chain is whole."""
    query = [("event_id", event)]
    whole = await there.get(f"/state/{segment(room)}", query)
    by_id = await there.get(f"/state_ids/{segment(room)}", query)
    assert (whole.status, by_id.status) == (200, 200), (whole, by_id)
    assert (set(whole.body), set(by_id.body)) == ({"pdus", "auth_chain"}, {"pdu_ids", "auth_chain_ids"})
    state, chain = read(whole.body["pdus"], version), read(whole.body["auth_chain"], version)
    assert list(state) == by_id.body["pdu_ids"]
    assert list(chain) == by_id.body["auth_chain_ids"]
    cited = {each for one in (*state.values(), *chain.values()) for each in one.auth_event_ids}
    create = {event_id for event_id, one in state.items() if one.type == "m.room.create"}
    assert set(chain) == cited | create
    return {one.key: one for one in state.values()}


async def auth_chain(there: Neighbour, room: str, event: str, version: str = "12") -> dict[str, Event]:
    answer = await there.get(f"/event_auth/{segment(room)}/{segment(event)}")
    assert (answer.status, set(answer.body)) == (200, {"auth_chain"}), answer
    return read(answer.body["auth_chain"], version)


@VERSIONS
async def test_the_state_is_that_before_the_event(neighbour: Neighbour, version: str) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice, version)
    told = await alice.say(room, "before")
    first = await alice.set_state(room, "m.room.topic", {"topic": "first"})
    second = await alice.set_state(room, "m.room.topic", {"topic": "second"})
    key = ("m.room.topic", "")
    whole = await alice.whole_state(room)
    without = await state_at(neighbour, room, told, version)
    assert {k: e.event_id for k, e in without.items()} == {k: e["event_id"] for k, e in whole.items() if k != key}
    assert key not in await state_at(neighbour, room, first, version)
    assert (await state_at(neighbour, room, second, version))[key].event_id == first
    assert (await state_at(neighbour, room, await alice.say(room, "after"), version))[key].event_id == second
    create = whole["m.room.create", ""]["event_id"]
    assert await state_at(neighbour, room, create, version) == {}


@VERSIONS
async def test_the_auth_chain_is_all_that_authorizes_an_event(neighbour: Neighbour, version: str) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice, version)
    levels = await alice.state(room, "m.room.power_levels")
    for level in range(3):
        await alice.set_state(room, "m.room.power_levels", {**levels, "ban": level})
    told = await alice.say(room, "hello")
    chain = await auth_chain(neighbour, room, told, version)
    kinds = sorted(event.type for event in chain.values())
    assert kinds == ["m.room.create", "m.room.member", *["m.room.power_levels"] * 4]
    order = list(chain)
    for event in chain.values():
        assert all(order.index(cited) < order.index(event.event_id) for cited in event.auth_event_ids)
    state = await state_at(neighbour, room, told, version)
    bob = await auth_chain(neighbour, room, state["m.room.member", neighbour.user("bob")].event_id, version)
    assert {event.type for event in bob.values()} == {
        "m.room.create",
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.member",
    }
    assert await auth_chain(neighbour, room, state["m.room.create", ""].event_id, version) == {}


async def test_the_state_on_one_side_of_a_fork_knows_nothing_of_the_other(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    root = await alice.say(room, "root")
    await alice.set_state(room, "m.room.topic", {"topic": "here"})
    event = await neighbour.make(room, "m.room.name", neighbour.user("bob"), {"name": "there"}, "", prev=[root])
    after = await neighbour.make(
        room, "m.room.message", neighbour.user("bob"), {"msgtype": "m.text", "body": "x"}, prev=[event.event_id]
    )

    def arrive(tx: Transaction) -> None:
        name = rooms.find(tx, RoomId(room))
        assert name is not None
        topic = interning.find_state_keys(tx, [("m.room.topic", "")])
        for each in (event, after):
            now = rooms.get(tx, [name.nid])[name.nid].current
            arrivals.keep(tx, name.nid, [each], {})
            known = arrivals.find(tx, each.prev_event_ids)
            stood = next(iter(known.values())).after
            assert stood is not None
            before = stood if each is after else Fork(stood, dict.fromkeys(topic.values()))
            stored = arrivals.branch_off(tx, name.nid, each, before)
            assert stored.before is not None
            append.arrive(tx, name.nid, now, NewEvent(each, goes_out=False), Arrival(stored.number, stored.before))

    await neighbour.db.write(arrive)
    assert not {"m.room.topic", "m.room.name"} & {kind for kind, _ in await state_at(neighbour, room, event.event_id)}
    there = await state_at(neighbour, room, after.event_id)
    assert ("m.room.topic", "") not in there
    assert there["m.room.name", ""].event_id == event.event_id


async def test_of_what_was_set_aside_the_state_is_known_too(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    text = {"msgtype": "m.text", "body": "x"}
    event = await neighbour.make(room, "m.room.message", neighbour.user("bob"), text)
    await neighbour.set_aside(event)
    state = await state_at(neighbour, room, event.event_id)
    assert {key: each.event_id for key, each in state.items()} == {
        key: each["event_id"] for key, each in (await alice.whole_state(room)).items()
    }
    assert await auth_chain(neighbour, room, event.event_id)


async def test_at_a_rejected_event_there_is_no_state(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    event = await neighbour.make(room, "m.room.message", neighbour.user("bob"), {"msgtype": "m.text", "body": "x"})
    await neighbour.set_aside(event, rejected="for a test")
    for path in (f"/state/{segment(room)}", f"/state_ids/{segment(room)}"):
        answer = await neighbour.get(path, [("event_id", event.event_id)])
        assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")


async def test_where_the_state_is_not_known_there_is_none(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    text = {"msgtype": "m.text", "body": "x"}
    outside, fetched = [await neighbour.make(room, "m.room.message", neighbour.user("bob"), text) for _ in range(2)]
    await neighbour.keep(outside)
    await neighbour.fetch(await alice.say(room, "end"), fetched)
    for event in (outside.event_id, fetched.event_id, "$nothing", "", "x" * 10_000):
        for path in (f"/state/{segment(room)}", f"/state_ids/{segment(room)}"):
            answer = await neighbour.get(path, [("event_id", event)])
            assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")
    assert set(await auth_chain(neighbour, room, outside.event_id))


async def test_a_state_that_was_lent_is_not_passed_on(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    event = await neighbour.make(room, "m.room.message", neighbour.user("bob"), {"msgtype": "m.text", "body": "x"})
    await neighbour.keep(event)

    def lend(tx: Transaction) -> None:
        name = rooms.find(tx, RoomId(room))
        assert name is not None
        arrivals.lend(tx, name.nid, event.event_id, Fork(rooms.get(tx, [name.nid])[name.nid].current, {}), None)

    await neighbour.db.write(lend)
    answer = await neighbour.get(f"/state_ids/{segment(room)}", [("event_id", event.event_id)])
    assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")


async def test_state_that_was_redacted_here_goes_out_redacted(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    topic = await alice.set_state(room, "m.room.topic", {"topic": "regretted"})
    member = (await alice.whole_state(room))["m.room.member", alice.id]["event_id"]
    for event in (topic, member):
        await alice.redact(room, event)
    state = await state_at(neighbour, room, await alice.say(room, "later"))
    assert (state["m.room.topic", ""].event_id, state["m.room.topic", ""].content) == (topic, {})
    assert (state["m.room.member", alice.id].event_id, state["m.room.member", alice.id].content) == (
        member,
        {"membership": "join"},
    )
    chain = await auth_chain(neighbour, room, topic)
    assert chain[member].content == {"membership": "join"}


async def test_states_are_not_hidden(neighbour: Neighbour) -> None:
    """What only members may see as history is needed by all who judge events."""
    alice = await neighbour.home.user("alice")
    content = {"history_visibility": "joined"}
    closed = [{"type": "m.room.history_visibility", "state_key": "", "content": content}]
    room = await alice.create_room(preset="public_chat", name="secret", initial_state=closed)
    told = await alice.say(room, "x")
    await neighbour.move(room, "join")
    assert (await state_at(neighbour, room, told))["m.room.name", ""].content == {"name": "secret"}


async def test_a_state_of_many_slices_is_whole(neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "x")
    expected = await state_at(neighbour, room, told)
    for size in (1, 2, len(expected)):
        monkeypatch.setattr(pdu_slices, "SLICE", size)
        assert set(await state_at(neighbour, room, told)) == set(expected)
