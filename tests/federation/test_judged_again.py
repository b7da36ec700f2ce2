"""Events that are judged again when they come again, because more is known by then (traps.md 17)."""

import asyncio
import time
from typing import Any, NamedTuple

import pytest

from oriz_matrix.protocol.events import Event
from tests.plays.stage import Stage
from tests.support.peer import acts
from tests.support.peer.answers import refusal
from tests.support.peer.peer import Asked, Peer
from tests.support.peer.room import Json
from tests.support.peer.sharing import Shared
from tests.support.people import ids

PROMPTLY_S = 2.5
"""Sooner than anything is tried again by itself."""


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Shared:
    """On each engine; everybody may change the topic."""
    alice = await stage.person(f"{request.param}lice")
    levels = {"events": {"m.room.topic": 0}}
    room_id = await stage.public_room(alice, power_level_content_override=levels)
    return Shared(stage, request.param, alice, await acts.join(zoe, alice.at, room_id, "zoe"))


def say_nothing(peer: Peer) -> None:
    """The peer gives nothing that is asked for."""
    for operation in ("get_missing_events", "state_ids", "state", "event", "event_auth"):
        peer.instead[operation] = refusal(404, "M_NOT_FOUND")


def maimed(event: Event, **content: Any) -> Json:
    """The same event with another content, as somebody on the way may make it."""
    return {**event.pdu, "content": content}


async def test_what_could_not_be_judged_is_when_it_comes_again(scene: Shared, zoe: Peer) -> None:
    """What rests on an event that nobody gives waits, and that event does not wait for it."""
    say_nothing(zoe)
    first, second = scene.room.say(zoe.user("zoe"), "first"), scene.room.say(zoe.user("zoe"), "second")
    await zoe.send(scene.alice.at, second)
    began = time.monotonic()
    await zoe.send(scene.alice.at, first)
    await scene.alice.hears(scene.room.room_id, "first")
    await zoe.send(scene.alice.at, second)
    await scene.alice.hears(scene.room.room_id, "second")
    assert time.monotonic() < began + PROMPTLY_S
    assert scene.alice.room(scene.room.room_id).texts == ["first", "second"]


class Lied(NamedTuple):
    """An event by Yan that was rejected: the state after what lies between was told without Yan's join."""

    join: Event
    between: Event
    event: Event


async def lied(scene: Shared, zoe: Peer, kind: str, content: Json, state_key: str | None = None) -> Lied:
    """Makes and sends it."""
    yan = zoe.user("yan")
    join = scene.room.make(yan, "m.room.member", {"membership": "join"}, yan)
    between = scene.room.say(zoe.user("zoe"), "between")
    event = scene.room.make(yan, kind, content, state_key)
    told = asyncio.Event()

    async def without(peer: Peer, asked: Asked) -> Any:
        state = [each for each in scene.room.before(between.event_id).values() if each != join.event_id]
        chain = scene.room.auth_chain(state)
        told.set()
        return {"pdu_ids": state, "auth_chain_ids": [each.event_id for each in chain]}

    zoe.instead["get_missing_events"] = {"events": []}
    zoe.instead["state_ids"] = without
    await zoe.send(scene.alice.at, event)
    marker = scene.room.say(zoe.user("zoe"), "a marker", prev=[join.prev_event_ids[0]], keep=False)
    await zoe.send(scene.alice.at, marker)
    await scene.alice.hears(scene.room.room_id, "a marker")
    await told.wait()  # what lasts keeps no other event waiting
    zoe.instead.clear()
    return Lied(join, between, event)


async def test_what_a_false_state_let_reject_is_accepted_later(scene: Shared, zoe: Peer) -> None:
    found = await lied(scene, zoe, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    await zoe.send(scene.alice.at, found.join, found.between)
    await scene.alice.hears(scene.room.room_id, "between")
    assert "hello" not in scene.alice.room(scene.room.room_id).texts
    await zoe.send(scene.alice.at, found.event)
    await scene.alice.hears(scene.room.room_id, "hello")
    assert scene.alice.room(scene.room.room_id).texts == ["a marker", "between", "hello"]
    sent = await scene.alice.say(scene.room.room_id, "and on")
    assert found.event.event_id in (await zoe.receives(sent))["prev_events"]


async def test_state_that_was_rejected_counts_later(scene: Shared, zoe: Peer) -> None:
    found = await lied(scene, zoe, "m.room.topic", {"topic": "by Yan"}, "")
    await zoe.send(scene.alice.at, found.join, found.between)
    await scene.alice.hears(scene.room.room_id, "between")
    assert ("m.room.topic", "") not in await scene.alice.whole_state(scene.room.room_id)
    await zoe.send(scene.alice.at, found.event)
    await scene.alice.sees_state(scene.room.room_id, "m.room.topic", {"topic": "by Yan"})
    state = await scene.alice.whole_state(scene.room.room_id)
    assert state["m.room.topic", ""]["event_id"] == found.event.event_id


async def test_what_is_rejected_for_good_stays_so(scene: Shared, zoe: Peer) -> None:
    stranger = scene.room.make(zoe.user("stranger"), "m.room.message", {"body": "let me in"}, keep=False)
    for _ in range(3):
        await zoe.send(scene.alice.at, stranger)
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), "a marker"))
    await scene.alice.hears(scene.room.room_id, "a marker")
    assert scene.alice.room(scene.room.room_id).texts == ["a marker"]


async def test_a_whole_copy_replaces_a_maimed_one(scene: Shared, zoe: Peer) -> None:
    event = scene.room.say(zoe.user("zoe"), "what I said")
    alice, room_id = scene.alice, scene.room.room_id
    assert await zoe.send(alice.at, maimed(event, body="what I never said")) == {event.event_id: {}}
    await alice.sees(lambda: event.event_id in ids(alice.room(room_id).timeline), "the event")
    assert (await alice.event(room_id, event.event_id))["content"] == {}
    await zoe.send(alice.at, event, scene.room.say(zoe.user("zoe"), "a marker"))
    await alice.hears(room_id, "a marker")
    assert (await alice.event(room_id, event.event_id))["content"]["body"] == "what I said"
    await zoe.send(alice.at, maimed(event, body="once more"), scene.room.say(zoe.user("zoe"), "another"))
    await alice.hears(room_id, "another")
    assert (await alice.event(room_id, event.event_id))["content"]["body"] == "what I said"


async def test_a_whole_copy_of_state_counts(scene: Shared, zoe: Peer) -> None:
    topic = scene.room.make(zoe.user("zoe"), "m.room.topic", {"topic": "tea"}, "")
    await zoe.send(scene.alice.at, maimed(topic))
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), "a marker"))
    await scene.alice.hears(scene.room.room_id, "a marker")
    assert (await scene.alice.state(scene.room.room_id, "m.room.topic")) == {}
    await zoe.send(scene.alice.at, topic, scene.room.say(zoe.user("zoe"), "another"))
    await scene.alice.hears(scene.room.room_id, "another")
    assert (await scene.alice.state(scene.room.room_id, "m.room.topic")) == {"topic": "tea"}


async def test_a_redaction_holds_whatever_copy_comes(scene: Shared, zoe: Peer) -> None:
    event = scene.room.say(zoe.user("zoe"), "a slip")
    await zoe.send(scene.alice.at, maimed(event))
    await zoe.send(scene.alice.at, scene.room.make(zoe.user("zoe"), "m.room.redaction", {"redacts": event.event_id}))
    await zoe.send(scene.alice.at, event, scene.room.say(zoe.user("zoe"), "a marker"))
    await scene.alice.hears(scene.room.room_id, "a marker")
    assert (await scene.alice.event(scene.room.room_id, event.event_id))["content"] == {}
