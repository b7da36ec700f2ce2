"""A server that is killed while it sends: nothing is lost, and nothing comes twice."""

import asyncio
from typing import Any

import pytest

from tests.plays.stage import Stage
from tests.support.peer import answers
from tests.support.peer.peer import Asked, Peer
from tests.support.peer.sharing import Shared, shared


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Shared:
    """On each engine."""
    return await shared(stage, request.param, zoe)


async def test_what_waits_survives_that_the_server_is_killed(scene: Shared, zoe: Peer) -> None:
    zoe.instead["send"] = answers.refusal(503, "M_UNKNOWN")
    said = await scene.say("one", "two")
    await scene.stage.kill(scene.letter)
    zoe.instead.clear()
    await scene.stage.start(scene.letter)
    for event_id in said:
        await zoe.receives(event_id)


async def test_a_killed_server_sends_its_last_transaction_again(scene: Shared, zoe: Peer) -> None:
    """It was taken, but the answer never came: the same again, so that the peer knows it."""
    taken = asyncio.Event()

    async def take_and_wait(peer: Peer, asked: Asked) -> Any:
        taken.set()
        await asyncio.sleep(30)

    zoe.instead["send"] = take_and_wait
    [said] = await scene.say("one")
    await taken.wait()
    await scene.stage.kill(scene.letter)
    zoe.instead.clear()
    await scene.stage.start(scene.letter)
    await zoe.receives(said)
