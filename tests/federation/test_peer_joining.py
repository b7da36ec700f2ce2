"""A user joins a room of a peer that answers well, badly, or not at all.

A join that fails leaves nothing behind: the room is not there, and the user can join once the peer behaves.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from oriz_matrix.protocol.event_builder import complete
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.in_process import Answer
from tests.support.peer import answers
from tests.support.peer.peer import Asked, Peer
from tests.support.peer.room import Json, PeerRoom
from tests.support.people import Refused

Lie = Callable[[Peer, Json], None]


@pytest.fixture(params=["a", "b"])
async def alice(request: pytest.FixtureRequest, stage: Stage) -> Person:
    """Somebody on each engine."""
    return await stage.person(f"{request.param}lice")


async def fails(alice: Person, room: PeerRoom) -> Refused:
    """The join is refused, in words that tell what is wrong."""
    with pytest.raises(Refused) as caught:
        await alice.join(room.room_id, via=[str(room.server)])
    assert caught.value.status in (400, 403, 404, 502, 504), caught.value
    assert caught.value.message
    assert room.room_id not in (await alice.sync_anew()).rooms
    return caught.value


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_a_room_of_every_version_can_be_joined(alice: Person, zoe: Peer, version: str) -> None:
    room = zoe.host(version, "zoe")
    early = room.say(zoe.user("zoe"), "before")
    await alice.join(room.room_id, via=[zoe.name])
    await zoe.send(alice.at, room.say(zoe.user("zoe"), "welcome"))
    await alice.hears(room.room_id, "welcome")
    said = await alice.say(room.room_id, "thank you")
    await zoe.receives(said)
    assert early.event_id not in [event["event_id"] for event in alice.room(room.room_id).timeline]
    state = await alice.whole_state(room.room_id)
    assert {key: event["event_id"] for key, event in state.items()} == room.state()


async def test_trap_27_a_template_that_asks_for_something_else_is_not_signed(alice: Person, zoe: Peer) -> None:
    room = zoe.host("10", "zoe")
    lies: list[Json] = [
        {"type": "m.room.message"},
        {"sender": zoe.user("zoe")},
        {"state_key": zoe.user("zoe")},
        {"room_id": f"!other:{zoe.name}"},
        {"content": {"membership": "invite"}},
        {"content": {}},
        {"content": "join"},
        {"auth_events": 5},
        {"prev_events": None},
    ]
    zoe.instead["send_join"] = answers.refusal(500, "M_UNKNOWN")
    for lie in lies:
        zoe.instead["make_join"] = _changed(answers.make_join, partial(_change_event, lie))
        await fails(alice, room)
    signed = [each.body for each in zoe.asked if each.operation == "send_join"]
    for pdu in signed:
        said = (pdu["type"], pdu["room_id"], pdu["sender"], pdu["state_key"], pdu["content"]["membership"])
        assert said == ("m.room.member", room.room_id, alice.id, alice.id, "join")
    await _joins_after_all(alice, zoe, room)


async def test_an_unknown_version_is_refused(alice: Person, zoe: Peer) -> None:
    room = zoe.host("10", "zoe")
    zoe.instead["make_join"] = _changed(answers.make_join, lambda _, body: body.update(room_version="x.unheard-of"))
    await fails(alice, room)
    zoe.instead["make_join"] = answers.refusal(400, "M_INCOMPATIBLE_ROOM_VERSION", room_version="99")
    await fails(alice, room)


def _untold(peer: Peer, body: Json) -> None:
    del body["room_version"]


@pytest.mark.parametrize("version", ["1", "3"])
async def test_a_version_that_is_not_told_is_seen_in_the_template(alice: Person, zoe: Peer, version: str) -> None:
    room = zoe.host(version, "zoe")
    zoe.instead["make_join"] = _changed(answers.make_join, _untold)
    await _joins_after_all(alice, zoe, room, {"make_join": zoe.instead["make_join"]})


@pytest.mark.parametrize("version", ["2", "10"])
async def test_what_is_presumed_of_a_version_is_not_kept(alice: Person, zoe: Peer, version: str) -> None:
    """The create event says another: the join fails, and the room stands under no rules yet."""
    room = zoe.host(version, "zoe")
    zoe.instead["make_join"] = _changed(answers.make_join, _untold)
    assert (await fails(alice, room)).status == 502
    assert zoe.times("send_join") == 1
    await _joins_after_all(alice, zoe, room)


async def test_a_create_event_of_another_version_than_the_room_is_refused(alice: Person, zoe: Peer) -> None:
    assert (await fails(alice, zoe.host("10", "zoe", room_version="11"))).status == 502


def _change_event(lie: Json, peer: Peer, body: Json) -> None:
    body["event"].update(lie)


def _without_create(peer: Peer, body: Json) -> None:
    for part in ("state", "auth_chain"):
        body[part] = [pdu for pdu in body[part] if pdu["type"] != "m.room.create"]


def _second_create(peer: Peer, body: Json) -> None:
    other = peer.host("10", "zed")
    body["state"].append(dict(other.known[other.state()["m.room.create", ""]].pdu))


def _of_another_room(peer: Peer, body: Json) -> None:
    other = peer.host("10", "zed")
    body["state"].append(dict(other.make(peer.user("zed"), "m.room.topic", {"topic": "x"}, "").pdu))


def _unauthorised(peer: Peer, body: Json) -> None:
    room = next(iter(peer.rooms.values()))
    body["state"].append(dict(room.make(peer.user("nobody"), "m.room.name", {"name": "x"}, "", keep=False).pdu))


def _key_twice(peer: Peer, body: Json) -> None:
    room = next(iter(peer.rooms.values()))
    for name in ("x", "y"):
        body["state"].append(dict(room.make(peer.user("zoe"), "m.room.name", {"name": name}, "", keep=False).pdu))


def _no_state(peer: Peer, body: Json) -> None:
    body["state"] = []


def _state_is_no_list(peer: Peer, body: Json) -> None:
    body["state"] = {"a": 1}


def _rubbish(peer: Peer, body: Json) -> None:
    body["state"] = [5, "x", {}]


def _another_join(peer: Peer, body: Json) -> None:
    pdu = {**body["event"], "content": {"membership": "join", "displayname": "Mallory"}}
    body["event"] = dict(complete(pdu, ROOM_VERSIONS["10"], peer.name, peer.key).pdu)


LIES: list[Lie] = [_without_create, _no_state, _state_is_no_list]
MIXED: list[Lie] = [_second_create, _of_another_room, _unauthorised, _key_twice, _rubbish, _another_join]


@pytest.mark.parametrize("lie", LIES)
async def test_trap_42_a_state_that_cannot_be_is_refused(alice: Person, zoe: Peer, lie: Lie) -> None:
    room = zoe.host("10", "zoe")
    zoe.instead["send_join"] = _changed(answers.send_join, lie)
    await fails(alice, room)
    await _joins_after_all(alice, zoe, room)


@pytest.mark.parametrize("lie", MIXED)
async def test_trap_42_what_is_wrong_in_the_answer_never_enters_the_state(alice: Person, zoe: Peer, lie: Lie) -> None:
    """The join may fail, or leave the wrong event out; it is never shown."""
    room = zoe.host("10", "zoe")
    zoe.instead["send_join"] = _changed(answers.send_join, lie)
    try:
        await alice.join(room.room_id, via=[zoe.name])
    except Refused as refusal:
        assert refusal.status in (400, 403, 404, 502)  # noqa: PT017
        await _joins_after_all(alice, zoe, room)
    state = await alice.whole_state(room.room_id)
    assert not {("m.room.name", ""), ("m.room.topic", "")} & set(state)
    assert state["m.room.create", ""]["sender"] == zoe.user("zoe")
    assert "displayname" not in state["m.room.member", alice.id]["content"] or "Mallory" not in str(state)


async def test_trap_42_a_forged_signature_in_the_state_is_found(alice: Person, zoe: Peer) -> None:
    room = zoe.host("10", "zoe")
    name = room.make(zoe.user("zoe"), "m.room.name", {"name": "forged"}, "")

    def forge(peer: Peer, body: Json) -> None:
        for pdu in body["state"]:
            if pdu["type"] == "m.room.name":
                pdu["signatures"] = {peer.name: {peer.key.key_id: peer.key.sign(b"something else")}}

    zoe.instead["send_join"] = _changed(answers.send_join, forge)
    try:
        await alice.join(room.room_id, via=[zoe.name])
    except Refused as refusal:
        assert refusal.status in (400, 403, 404, 502)  # noqa: PT017
        return
    assert name.event_id not in [event["event_id"] for event in (await alice.whole_state(room.room_id)).values()]


NONSENSE: list[Any] = [
    Answer(500, {"errcode": "M_UNKNOWN", "error": "x"}),
    Answer(404, {"errcode": "M_NOT_FOUND", "error": "x"}),
    Answer(403, {"errcode": "M_FORBIDDEN", "error": "x"}),
    b"<html>",
    Answer(200, []),
    Answer(200, {}),
    Answer(200, {"room_version": 10, "event": {}}),
    Answer(200, {"room_version": "10", "event": []}),
]


@pytest.mark.parametrize("number", range(len(NONSENSE)))
@pytest.mark.parametrize("operation", ["make_join", "send_join"])
async def test_nonsense_is_an_error_and_no_more(alice: Person, zoe: Peer, operation: str, number: int) -> None:
    room = zoe.host("10", "zoe")

    async def answer(peer: Peer, asked: Asked) -> Any:
        said = NONSENSE[number]
        return web.Response(body=said) if isinstance(said, bytes) else said

    zoe.instead[operation] = answer
    await fails(alice, room)
    await _joins_after_all(alice, zoe, room)


async def test_who_hangs_up_is_given_up(alice: Person, zoe: Peer) -> None:
    room = zoe.host("10", "zoe")

    async def hang_up(peer: Peer, asked: Asked) -> Any:
        asked.hang_up()
        return {}

    zoe.instead["send_join"] = hang_up
    await fails(alice, room)
    await _joins_after_all(alice, zoe, room)


async def _joins_after_all(alice: Person, zoe: Peer, room: PeerRoom, instead: Json | None = None) -> None:
    zoe.instead.clear()
    zoe.instead.update(instead or {})
    await alice.join(room.room_id, via=[zoe.name])
    await zoe.send(alice.at, room.say(zoe.user("zoe"), "welcome"))
    await alice.hears(room.room_id, "welcome")


def _changed(good: Callable[[Peer, Asked], Awaitable[Any]], change: Lie) -> Callable[[Peer, Asked], Awaitable[Any]]:
    """A good answer with a lie in it."""

    async def answer(peer: Peer, asked: Asked) -> Any:
        body = await good(peer, asked)
        change(peer, body)
        return body

    return answer
