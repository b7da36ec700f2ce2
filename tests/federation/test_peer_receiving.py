"""What a server makes of the transactions of a peer: good events, lies, forks, gaps, and too much of everything."""

import asyncio
from typing import Any

import pytest

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.peer import acts, answers
from tests.support.peer.lies import resigned, with_wrong_hash, with_wrong_signature
from tests.support.peer.peer import V1, Asked, Peer
from tests.support.peer.room import Json, PeerRoom

VERSION = "11"


class Scene:
    """Alice, in a room of her own server that Zoe, of the peer, has joined."""

    def __init__(self, alice: Person, peer: Peer, room: PeerRoom) -> None:
        self.alice = alice
        self.peer = peer
        self.room = room
        self.zoe = peer.user("zoe")

    async def send(self, *pdus: Event | Json, **more: Any) -> dict[str, Json]:
        """A transaction of the peer's."""
        return await self.peer.send(self.alice.at, *pdus, **more)

    async def settles(self) -> list[str]:
        """One more message goes through; what Alice has heard by then, without it."""
        marker = f"marker {len(self.room.known)}"
        await self.send(self.room.say(self.zoe, marker))
        await self.alice.hears(self.room.room_id, marker)
        return [text for text in self.alice.room(self.room.room_id).texts if not text.startswith("marker")]

    async def topic(self) -> str | None:
        """The topic that Alice sees."""
        state = await self.alice.whole_state(self.room.room_id)
        topic: str | None = state.get(("m.room.topic", ""), {"content": {}})["content"].get("topic")
        return topic


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Scene:
    """On each engine."""
    alice = await stage.person(f"{request.param}lice")
    content = {"events": {"m.room.topic": 0}}
    room_id = await alice.create_room(preset="public_chat", room_version=VERSION, power_level_content_override=content)
    room = await acts.join(zoe, alice.at, room_id, "zoe")
    await alice.sees_section(room_id, "join")
    return Scene(alice, zoe, room)


async def test_a_good_event_is_seen(scene: Scene) -> None:
    event = scene.room.say(scene.zoe, "hello")
    assert await scene.send(event) == {event.event_id: {}}
    assert await scene.settles() == ["hello"]
    assert dict(await scene.alice.event(scene.room.room_id, event.event_id))["sender"] == scene.zoe


async def test_several_come_in_their_order(scene: Scene) -> None:
    events = [scene.room.say(scene.zoe, f"number {number}") for number in range(50)]
    assert set(await scene.send(*events)) == {event.event_id for event in events}
    assert await scene.settles() == [f"number {number}" for number in range(50)]


async def test_more_than_fifty_are_too_many(scene: Scene) -> None:
    events = [scene.room.say(scene.zoe, f"number {number}") for number in range(51)]
    body = {"origin": scene.peer.name, "origin_server_ts": 1, "pdus": [dict(e.pdu) for e in events]}
    answer = await scene.peer.ask(scene.alice.at, "PUT", f"{V1}/send/too-many", body)
    assert answer.status == 400


async def test_trap_31_a_transaction_counts_once(scene: Scene) -> None:
    event = scene.room.say(scene.zoe, "hello")
    first = await scene.send(event, txn_id="once")
    assert await scene.send(event, txn_id="once") == first
    await scene.send(event, txn_id="twice")
    assert await scene.settles() == ["hello"]


async def test_trap_03_one_bad_event_stops_no_other(scene: Scene) -> None:
    good, other = [scene.room.say(scene.zoe, "one")], scene.room.say(scene.zoe, "other", keep=False)
    bad: list[Any] = [
        {},
        {"room_id": 5},
        {"room_id": scene.room.room_id},
        {**other.pdu, "depth": 2**60},
        {**other.pdu, "content": "x"},
        {**other.pdu, "room_id": "!unknown:127.0.0.1"},
        "no event",
        None,
    ]
    good.append(scene.room.say(scene.zoe, "two"))
    said = await scene.send(good[0], *bad, good[1])
    assert [said[event.event_id] for event in good] == [{}, {}]
    assert await scene.settles() == ["one", "two"]


async def test_trap_03_a_nul_in_a_content_stops_nothing(scene: Scene) -> None:
    """It is a character like others: the event is seen, and so is what came with it."""
    odd = scene.room.say(scene.zoe, "one\0two")
    nowhere = {"edu_type": "m.typing", "content": {"room_id": "!\0", "user_id": scene.zoe, "typing": True}}
    receipt = {
        scene.room.room_id: {"m.read": {scene.zoe: {"event_ids": ["$\0"], "data": {"ts": 1, "thread_id": "\0"}}}}
    }
    edus = [nowhere, {"edu_type": "m.receipt", "content": receipt}]
    assert await scene.send(odd, scene.room.say(scene.zoe, "plain"), edus=edus) != {}
    assert await scene.settles() == ["one\0two", "plain"]


async def test_trap_05_a_wrong_hash_leaves_the_redacted_event(scene: Scene) -> None:
    event = with_wrong_hash(scene.room.say(scene.zoe, "changed on the way", keep=False), scene.peer)
    scene.room.add(event)
    assert await scene.send(event) == {event.event_id: {}}
    assert await scene.settles() == ["(redacted)"]


async def test_trap_05_a_wrong_signature_is_no_event(scene: Scene) -> None:
    event = with_wrong_signature(scene.room.say(scene.zoe, "forged", keep=False), scene.peer)
    said = await scene.send(event)
    assert "error" in said.get(event.event_id, {"error": ""})
    assert await scene.settles() == []


async def test_nobody_speaks_for_alice(scene: Scene) -> None:
    event = scene.room.say(scene.alice.id, "I did not say this", keep=False)
    said = await scene.send(event)
    assert "error" in said.get(event.event_id, {"error": ""})
    assert await scene.settles() == []


async def test_trap_17_what_is_not_allowed_is_not_shown(scene: Scene) -> None:
    """A rejected event; what follows upon it is none the worse."""
    name = scene.room.make(scene.zoe, "m.room.name", {"name": "mine"}, "", keep=False)
    scene.room.known[name.event_id] = name
    scene.room.after[name.event_id] = scene.room.state()
    scene.room.heads = [name.event_id]
    await scene.send(name)
    assert await scene.settles() == []
    assert ("m.room.name", "") not in await scene.alice.whole_state(scene.room.room_id)
    assert name.event_id not in [e["event_id"] for e in scene.alice.room(scene.room.room_id).timeline]


async def test_trap_21_wrong_auth_events_are_found(scene: Scene) -> None:
    create = scene.room.state()["m.room.create", ""]
    event = scene.room.say(scene.zoe, "by what right", auth=[create], keep=False)
    await scene.send(event)
    assert await scene.settles() == []


async def test_auth_events_that_nobody_has_are_asked_for(scene: Scene) -> None:
    event = scene.room.say(scene.zoe, "by what right", auth=[EventId("$nothing-like-it")], keep=False)
    await scene.send(event)
    assert await scene.settles() == []


async def test_trap_17_who_was_banned_says_nothing_more(scene: Scene) -> None:
    """Upon the state before the ban it would be allowed: soft-failed."""
    before = list(scene.room.heads)
    ban = await scene.alice.set_state(scene.room.room_id, "m.room.member", {"membership": "ban"}, scene.zoe)
    late = scene.room.say(scene.zoe, "one more thing", prev=before, keep=False)
    await scene.send(late)
    await scene.alice.say(scene.room.room_id, "quiet now")
    await scene.alice.hears(scene.room.room_id, "quiet now")
    await asyncio.sleep(0.3)
    await scene.alice.sync()
    assert scene.alice.room(scene.room.room_id).texts == ["quiet now"]
    assert (await scene.alice.whole_state(scene.room.room_id))["m.room.member", scene.zoe]["event_id"] == ban


async def test_missing_events_are_asked_for(scene: Scene) -> None:
    [*_, last] = [scene.room.say(scene.zoe, f"number {number}") for number in range(5)]
    await scene.send(last)
    await scene.alice.hears(scene.room.room_id, "number 4")
    assert scene.peer.times("get_missing_events") >= 1
    assert await scene.settles() == [f"number {number}" for number in range(5)]


async def test_trap_21_a_hole_that_is_not_filled_is_bridged_by_the_state(scene: Scene) -> None:
    """The peer gives no missing events, but the state before the event that it sent."""
    scene.peer.instead["get_missing_events"] = {"events": []}
    scene.room.make(scene.zoe, "m.room.topic", {"topic": "in the hole"}, "")
    for number in range(30):
        scene.room.say(scene.zoe, f"number {number}")
    last = scene.room.say(scene.zoe, "the other side")
    await scene.send(last)
    await scene.alice.hears(scene.room.room_id, "the other side")
    assert scene.peer.times("state_ids") + scene.peer.times("state") >= 1
    assert await scene.topic() == "in the hole"


async def test_prev_events_that_do_not_exist_hold_up_nothing(scene: Scene) -> None:
    """Nobody can give them: the event is not shown, and the room goes on."""
    for operation in ("get_missing_events", "state_ids", "state", "event"):
        scene.peer.instead[operation] = answers.refusal(404, "M_NOT_FOUND")
    event = scene.room.say(scene.zoe, "out of nowhere", prev=[EventId("$of-an-event-that-never-was")], keep=False)
    await scene.send(event)
    assert await scene.settles() == []


@pytest.mark.parametrize("answer", [{"events": "x"}, {"events": [5, {}]}, {}, answers.refusal(500, "M_UNKNOWN")])
async def test_nonsense_for_missing_events_holds_up_nothing(scene: Scene, answer: Any) -> None:
    scene.peer.instead["get_missing_events"] = answer
    scene.room.say(scene.zoe, "kept back")
    await scene.send(scene.room.say(scene.zoe, "sent"))
    await scene.alice.hears(scene.room.room_id, "sent")
    scene.peer.instead.clear()
    assert (await scene.settles())[-1] == "sent"


async def test_a_fork_is_resolved(scene: Scene) -> None:
    """Two topics upon the same event: which one wins is the same for both."""
    before = list(scene.room.heads)
    topics = [scene.room.make(scene.zoe, "m.room.topic", {"topic": f"number {n}"}, "", prev=before) for n in range(2)]
    await scene.send(*topics)
    assert len(scene.room.heads) == 2
    await scene.settles()
    resolved = scene.room.current("m.room.topic")
    assert resolved is not None
    assert await scene.topic() == resolved.content["topic"]


async def test_trap_18_a_fork_with_many_ends_comes_together(scene: Scene) -> None:
    before = list(scene.room.heads)
    forks = [scene.room.say(scene.zoe, f"fork {number}", prev=before) for number in range(30)]
    await scene.send(*forks)
    await scene.alice.hears(scene.room.room_id, *(f"fork {number}" for number in range(30)))
    said = await scene.alice.say(scene.room.room_id, "together")
    pdu = await scene.peer.receives(said)
    assert len(pdu["prev_events"]) <= 20


async def test_trap_33_bad_edus_stop_nothing(scene: Scene) -> None:
    edus: list[Any] = [
        {},
        {"edu_type": "m.typing"},
        {"edu_type": "m.typing", "content": {"room_id": scene.room.room_id, "user_id": 5, "typing": True}},
        {"edu_type": "m.receipt", "content": {scene.room.room_id: {"m.read": {scene.zoe: "x"}}}},
        {"edu_type": "m.presence", "content": {"push": "x"}},
        {"edu_type": "m.direct_to_device", "content": {"sender": scene.zoe}},
        {"edu_type": "m.device_list_update", "content": {}},
        {"edu_type": "org.example.unheard-of", "content": {"a": 1}},
        {"edu_type": 5, "content": {}},
        "x",
    ]
    event = scene.room.say(scene.zoe, "hello")
    assert await scene.send(event, edus=edus) == {event.event_id: {}}
    typing = {"room_id": scene.room.room_id, "user_id": scene.zoe, "typing": True}
    await scene.send(edus=[{"edu_type": "m.typing", "content": typing}])
    await scene.alice.sees(lambda: scene.alice.room(scene.room.room_id).typing == [scene.zoe], "typing")


async def test_trap_43_nobody_types_for_others(scene: Scene) -> None:
    room_id = scene.room.room_id
    for user in (scene.alice.id, scene.peer.user("stranger")):
        await scene.send(
            edus=[{"edu_type": "m.typing", "content": {"room_id": room_id, "user_id": user, "typing": True}}]
        )
    await scene.settles()
    assert scene.alice.room(room_id).typing == []


async def test_trap_08_a_redaction_may_come_first(scene: Scene) -> None:
    slip = scene.room.say(scene.zoe, "a slip")
    redaction = scene.room.make(scene.zoe, "m.room.redaction", {"redacts": slip.event_id}, prev=slip.prev_event_ids)

    async def none(peer: Peer, asked: Asked) -> Any:
        return {"events": []}

    scene.peer.instead["get_missing_events"] = none
    await scene.send(redaction)
    await scene.send(slip)
    await scene.settles()
    assert (await scene.alice.event(scene.room.room_id, slip.event_id))["content"] == {}


async def test_trap_10_an_event_signed_by_an_expired_key_is_none(scene: Scene) -> None:
    """Room versions from 5 on ask that the key was valid when the event was made."""
    event = resigned(scene.room.say(scene.zoe, "from the future", keep=False, origin_server_ts=2**52), scene.peer)
    await scene.send(event)
    assert await scene.settles() == []
