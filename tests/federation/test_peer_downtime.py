"""A server that was away: what it costs while it is, and what it brings when it is back."""

import asyncio
import time

import pytest

from tests.plays.stage import Stage
from tests.support import soak
from tests.support.peer import answers
from tests.support.peer.peer import Peer
from tests.support.peer.sharing import Shared, shared
from tests.support.people import texts

MANY = 300
PART = 50


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Shared:
    """On each engine."""
    return await shared(stage, request.param, zoe)


async def told(scene: Shared) -> list[str]:
    """All that Alice can page back to, oldest first."""
    return texts(list(reversed(await scene.alice.history(scene.room.room_id, limit=100))))


async def test_who_does_not_answer_is_left_in_peace(scene: Shared, zoe: Peer) -> None:
    """Attempts become rare, however much is said, and nobody who talks has to wait for them."""
    zoe.instead["send"] = answers.refusal(503, "M_UNKNOWN")
    began = time.monotonic()
    said = await scene.say(*(f"number {number}" for number in range(100)))
    while time.monotonic() < began + 3:
        await scene.say("and more")
        await asyncio.sleep(0.1)
    assert zoe.times("send") <= 8
    zoe.instead.clear()
    await zoe.send(scene.alice.at)
    await zoe.receives(said[-1])
    assert [event_id for event_id in zoe.pdus if event_id in said] == said


async def test_all_that_happened_meanwhile_is_taken(scene: Shared, zoe: Peer) -> None:
    user = zoe.user("zoe")
    events = [scene.room.say(user, f"number {number}") for number in range(soak.times(MANY, 5))]
    for start in range(0, len(events), PART):
        part = events[start : start + PART]
        assert await zoe.send(scene.alice.at, *part) == {event.event_id: {} for event in part}
    await scene.alice.hears(scene.room.room_id, f"number {len(events) - 1}")
    assert await told(scene) == [f"number {number}" for number in range(len(events))]


async def test_of_the_newest_event_alone_the_others_are_found(scene: Shared, zoe: Peer) -> None:
    """A server that was away for long sends one event for each room; the rest is fetched when somebody pages back."""
    user = zoe.user("zoe")
    *_, last = [scene.room.say(user, f"number {number}") for number in range(MANY)]
    await zoe.send(scene.alice.at, last)
    await scene.alice.hears(scene.room.room_id, f"number {MANY - 1}")
    await scene.say("welcome back")
    assert await told(scene) == [*(f"number {number}" for number in range(MANY)), "welcome back"]
