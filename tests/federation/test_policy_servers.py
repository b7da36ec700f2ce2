"""Rooms with a policy server: what is asked of it, what its answers do, and what happens while it is away."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from unpaddedbase64 import encode_base64

from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.hashing import signed_bytes
from oriz_matrix.protocol.policy import POLICY_KEY_ID
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.protocol.signing import SigningKey
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.in_process import Answer
from tests.support.nodes.node import World
from tests.support.peer import acts
from tests.support.peer.answers import OPERATIONS, refusal
from tests.support.peer.peer import Asked, Operation, Peer, peer
from tests.support.peer.room import Json, PeerRoom
from tests.support.people import Refused

VERSION = ROOM_VERSIONS["11"]
KEY = SigningKey("policy_server", secrets.token_bytes(32))
PUBLIC_KEY = KEY.verify_key.to_base64()


def signature(pdu: Json, key: SigningKey = KEY) -> str:
    """What the policy server signs an event with."""
    return key.sign(signed_bytes(pdu, VERSION))


async def sign(guard: Peer, asked: Asked) -> Any:
    """A policy server that does not like spam."""
    if "spam" in str(asked.body["content"]):
        return refusal(400, "M_FORBIDDEN")
    return {guard.name: {POLICY_KEY_ID: signature(asked.body)}}


@pytest.fixture
async def guard(world: World) -> AsyncIterator[Peer]:
    """A peer that is a policy server."""
    operations = (Operation("sign", "POST", "/_matrix/policy/v1/sign", sign), *OPERATIONS)
    async with peer(world.authority, operations, "127.0.0.10") as running:
        yield running


class Scene:
    """Alice's room, with somebody of the policy server in it, and with Zoe, of another."""

    def __init__(self, alice: Person, guard: Peer, zoe: Peer, room: PeerRoom) -> None:
        self.alice = alice
        self.guard = guard
        self.peer = zoe
        self.room = room
        self.room_id = room.room_id
        self.zoe = zoe.user("zoe")

    async def use(self, via: str | None = None, key: str = PUBLIC_KEY) -> None:
        """Names the policy server; Zoe's server has heard of it."""
        content = {"via": via or self.guard.name, "public_keys": {"ed25519": key}}
        await self.peer.receives(await self.alice.set_state(self.room_id, "m.room.policy", content))

    async def hears(self, event: Event) -> None:
        """Alice does hear what Zoe's server sends."""
        assert await self.peer.send(self.alice.at, event) == {event.event_id: {}}
        await self.alice.hears(self.room_id, event.content["body"])

    async def never_hears(self, text: str) -> Event:
        """Alice does not, and the room goes on; what Zoe said."""
        event = self.room.say(self.zoe, text, keep=False)
        assert await self.peer.send(self.alice.at, event) == {event.event_id: {}}
        await self.hears(recommended(self.room.say(self.zoe, "a marker"), self.guard.name))
        assert text not in self.alice.room(self.room_id).texts
        return event


def recommended(event: Event, name: str, key: SigningKey = KEY) -> Event:
    """The event with a policy server's signature."""
    signatures = event.pdu["signatures"]
    theirs = {**signatures.get(name, {}), POLICY_KEY_ID: signature(dict(event.pdu), key)}
    return event_from_pdu({**event.pdu, "signatures": {**signatures, name: theirs}}, event.version)


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer, guard: Peer) -> Scene:
    """On each engine; the policy server is not named yet."""
    alice = await stage.person(f"{request.param}lice")
    levels = {"events": {"m.room.topic": 0}}
    room_id = await alice.create_room(
        preset="public_chat", room_version=VERSION.name, power_level_content_override=levels
    )
    room = await acts.join(zoe, alice.at, room_id, "zoe")
    joined = await acts.join(guard, alice.at, room_id, "guard")
    await zoe.receives(joined.heads[0])
    await alice.sees_section(room_id, "join")
    return Scene(alice, guard, zoe, room)


async def test_own_events_go_out_with_its_signature(scene: Scene) -> None:
    await scene.use()
    sent = await scene.alice.say(scene.room_id, "hello")
    pdu = await scene.peer.receives(sent)
    assert pdu["signatures"][scene.guard.name] == {POLICY_KEY_ID: signature(pdu)}
    assert list(pdu["signatures"][scene.alice.at]) != [POLICY_KEY_ID]
    asked = [each for each in scene.guard.asked if each.operation == "sign"]
    assert [(each.origin, each.body["content"]["body"]) for each in asked] == [(scene.alice.at, "hello")]
    await scene.alice.hears(scene.room_id, "hello")


async def test_its_refusal_is_told_in_its_words(scene: Scene) -> None:
    await scene.use()
    with pytest.raises(Refused) as caught:
        await scene.alice.say(scene.room_id, "spam")
    assert (caught.value.status, caught.value.errcode) == (400, "M_FORBIDDEN")
    await scene.peer.receives(await scene.alice.say(scene.room_id, "hello"))
    await scene.alice.hears(scene.room_id, "hello")
    assert scene.alice.room(scene.room_id).texts == ["hello"]


async def test_state_and_memberships_are_asked_for_too(scene: Scene) -> None:
    await scene.use()
    await scene.alice.set_state(scene.room_id, "m.room.topic", {"topic": "a good one"})
    with pytest.raises(Refused):
        await scene.alice.set_state(scene.room_id, "m.room.topic", {"topic": "spam"})
    await scene.alice.leave(scene.room_id)
    assert scene.guard.times("sign") == 3


async def test_a_transaction_counts_once(scene: Scene) -> None:
    await scene.use()
    sends = [scene.alice.say(scene.room_id, "hello", "once") for _ in range(3)]
    assert len(set(await asyncio.gather(*sends))) == 1
    await scene.alice.hears(scene.room_id, "hello")
    assert scene.alice.room(scene.room_id).texts == ["hello"]


async def test_many_at_once_are_all_said(scene: Scene) -> None:
    await scene.use()
    said = [f"number {number}" for number in range(12)]
    await asyncio.gather(*(scene.alice.say(scene.room_id, text) for text in said))
    await scene.alice.hears(scene.room_id, *said)
    assert scene.guard.times("sign") == 12


async def test_the_naming_event_needs_nobody(scene: Scene) -> None:
    await scene.use()
    scene.guard.instead["sign"] = refusal(400, "M_FORBIDDEN")
    with pytest.raises(Refused):
        await scene.alice.say(scene.room_id, "hello")
    await scene.alice.set_state(scene.room_id, "m.room.policy", {})
    await scene.peer.receives(await scene.alice.say(scene.room_id, "hello"))
    assert scene.guard.times("sign") == 1


@pytest.mark.parametrize(
    "content",
    [
        {"via": 5, "public_keys": {"ed25519": PUBLIC_KEY}},
        {"via": "GUARD", "public_keys": {}},
        {"via": "GUARD", "public_keys": {"ed25519": 5}},
        {"via": "GUARD", "public_keys": "x"},
        {"via": "GUARD"},
        {"via": "not a server", "public_keys": {"ed25519": PUBLIC_KEY}},
        {"via": "elsewhere.example", "public_keys": {"ed25519": PUBLIC_KEY}},
    ],
)
async def test_a_room_that_names_none_uses_none(scene: Scene, content: Json) -> None:
    """Of the wrong form, or without anybody in the room."""
    named = {**content, "via": scene.guard.name} if content["via"] == "GUARD" else content
    await scene.alice.set_state(scene.room_id, "m.room.policy", named)
    await scene.peer.receives(await scene.alice.say(scene.room_id, "hello"))
    assert scene.guard.times("sign") == 0


async def test_it_is_used_no_more_when_it_has_left(scene: Scene) -> None:
    await scene.use()
    await acts.leave(scene.guard, scene.alice.at, scene.room_id, "guard")
    asked = scene.guard.times("sign")
    await scene.peer.receives(await scene.alice.say(scene.room_id, "hello"))
    assert scene.guard.times("sign") == asked


async def test_while_it_is_away_nobody_waits_for_long(scene: Scene) -> None:
    async def never(guard: Peer, asked: Asked) -> Any:
        await asyncio.sleep(60)

    await scene.use()
    scene.guard.instead["sign"] = never
    began = time.monotonic()
    with pytest.raises(Refused) as caught:
        await scene.alice.say(scene.room_id, "hello")
    assert caught.value.status == 502
    assert time.monotonic() < began + 8
    with pytest.raises(Refused):
        await scene.alice.say(scene.room_id, "hello again")
    assert time.monotonic() < began + 8, "it is not asked again at once"
    await scene.alice.set_state(scene.room_id, "m.room.policy", {})
    await scene.peer.receives(await scene.alice.say(scene.room_id, "without it"))


async def test_others_go_on_while_it_thinks(scene: Scene) -> None:
    """Events with a signature come in, and it can be named anew."""
    thinking = asyncio.Event()

    async def slowly(guard: Peer, asked: Asked) -> Any:
        thinking.set()
        await asyncio.sleep(3)
        return await sign(guard, asked)

    await scene.use()
    scene.guard.instead["sign"] = slowly
    saying = asyncio.create_task(scene.alice.say(scene.room_id, "thought about"))
    await thinking.wait()
    await scene.hears(recommended(scene.room.say(scene.zoe, "meanwhile"), scene.guard.name))
    assert not saying.done()
    assert (await scene.peer.receives(await saying))["content"]["body"] == "thought about"


@pytest.mark.parametrize(
    ("answer", "status", "errcode"),
    [
        ({}, 403, "M_FORBIDDEN"),
        ({"GUARD": {}}, 403, "M_FORBIDDEN"),
        ({"GUARD": {POLICY_KEY_ID: "nonsense"}}, 403, "M_FORBIDDEN"),
        ({"GUARD": {POLICY_KEY_ID: 5}}, 403, "M_FORBIDDEN"),
        ({"GUARD": "x"}, 403, "M_FORBIDDEN"),
        ([], 502, "M_UNKNOWN"),
        (refusal(401, "M_UNKNOWN_TOKEN", soft_logout=True), 403, "M_FORBIDDEN"),
        (refusal(404, "M_UNRECOGNIZED"), 403, "M_FORBIDDEN"),
        (refusal(500, "M_UNKNOWN"), 502, "M_UNKNOWN"),
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=2_000), 429, "M_LIMIT_EXCEEDED"),
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms="x"), 429, "M_LIMIT_EXCEEDED"),
    ],
)
async def test_a_bad_answer_is_a_refusal(scene: Scene, answer: Any, status: int, errcode: str) -> None:
    if isinstance(answer, dict) and "GUARD" in answer:
        answer = {scene.guard.name: answer["GUARD"]}
    await scene.use()
    scene.guard.instead["sign"] = answer
    said = await scene.alice.door.ask(
        "PUT",
        f"/_matrix/client/v3/rooms/{scene.room_id}/send/m.room.message/{secrets.token_hex(4)}",
        {"msgtype": "m.text", "body": "hello"},
        by=scene.alice.token,
    )
    assert (said.status, said.body["errcode"]) == (status, errcode)
    assert "soft_logout" not in said.body
    assert not isinstance(answer, Answer) or answer.status != 429 or isinstance(said.body["retry_after_ms"], int)


async def test_a_key_that_is_none_lets_nothing_through(scene: Scene) -> None:
    await scene.use(key=encode_base64(b"short"))
    with pytest.raises(Refused):
        await scene.alice.say(scene.room_id, "hello")
    await scene.alice.set_state(scene.room_id, "m.room.policy", {})
    await scene.alice.say(scene.room_id, "hello")


async def test_what_comes_with_its_signature_is_not_asked_for(scene: Scene) -> None:
    await scene.use()
    await scene.hears(recommended(scene.room.say(scene.zoe, "hello"), scene.guard.name))
    assert scene.guard.times("sign") == 0


@pytest.mark.parametrize("how", ["none", "of another key", "no text"])
async def test_what_comes_without_is_asked_for_once(scene: Scene, how: str) -> None:
    await scene.use()
    event = scene.room.say(scene.zoe, "hello", keep=False)
    if how == "of another key":
        event = recommended(event, scene.guard.name, SigningKey("policy_server", bytes(32)))
    elif how == "no text":
        event = event_from_pdu({**event.pdu, "signatures": {**event.pdu["signatures"], scene.guard.name: 5}}, VERSION)
    scene.room.add(event)
    await scene.hears(event)
    assert scene.guard.times("sign") == 1


async def test_what_it_does_not_recommend_is_not_shown(scene: Scene) -> None:
    await scene.use()
    hidden = await scene.never_hears("spam")
    assert scene.guard.times("sign") == 1
    sent = await scene.alice.say(scene.room_id, "and on")
    assert hidden.event_id not in (await scene.peer.receives(sent))["prev_events"]


async def test_a_policy_server_signs_its_own_events_twice(scene: Scene) -> None:
    """Zoe's server is the policy server: its own signature and that as one stand side by side."""
    await scene.use(via=scene.peer.name)
    await scene.hears(recommended(scene.room.say(scene.zoe, "hello"), scene.peer.name))
    only = recommended(scene.room.say(scene.zoe, "not my own", keep=False), scene.peer.name)
    forged = {**only.pdu, "signatures": {scene.peer.name: {POLICY_KEY_ID: signature(dict(only.pdu))}}}
    assert "error" in (await scene.peer.send(scene.alice.at, forged))[only.event_id]


async def test_an_invite_keeps_both_signatures_of_its_server(scene: Scene) -> None:
    """Somebody of the policy server is invited: it signs as policy server first, then as theirs."""
    await scene.use()
    await scene.alice.in_room(scene.room_id, "POST", "invite", {"user_id": scene.guard.user("ward")})
    pdu = await scene.peer.receives(scene.guard.invites[scene.room_id].event_id)
    assert set(pdu["signatures"][scene.guard.name]) == {POLICY_KEY_ID, scene.guard.key.key_id}


async def test_who_comes_in_through_this_server_is_asked_for(scene: Scene) -> None:
    await scene.use()
    await acts.join(scene.peer, scene.alice.at, scene.room_id, "yan")
    assert scene.guard.times("sign") == 1
    scene.guard.instead["sign"] = refusal(400, "M_FORBIDDEN")
    with pytest.raises(AssertionError, match="403"):
        await acts.join(scene.peer, scene.alice.at, scene.room_id, "xaver")
    members = await scene.alice.members(scene.room_id)
    assert scene.peer.user("yan") in members
    assert scene.peer.user("xaver") not in members
