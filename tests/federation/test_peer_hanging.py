"""A peer that takes requests and never answers holds up nobody else."""

import asyncio
from typing import Any

import pytest

from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.peer import acts, answers
from tests.support.peer.peer import Asked, Peer
from tests.support.peer.room import PeerRoom


async def hang(peer: Peer, asked: Asked) -> Any:
    """Answers when nobody waits any more."""
    await asyncio.sleep(60)
    return {}


class Scene:
    """Alice, Bob of another server, and Zoe of the peer share a room of Alice's."""

    def __init__(self, alice: Person, bob: Person, room: PeerRoom) -> None:
        self.alice = alice
        self.bob = bob
        self.room = room


@pytest.fixture(params=["ab", "ba"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Scene:
    """With either of the servers in front."""
    alice, bob = await stage.people(*(f"{letter}-person" for letter in request.param))
    room_id = await stage.shared_room(alice, bob)
    room = await acts.join(zoe, alice.at, room_id, "zoe")
    return Scene(alice, bob, room)


async def test_others_hear_what_a_hanging_peer_does_not_take(scene: Scene, zoe: Peer) -> None:
    zoe.instead["send"] = hang
    for number in range(3):
        await scene.alice.say(scene.room.room_id, f"number {number}")
        async with asyncio.timeout(3):
            await scene.bob.hears(scene.room.room_id, f"number {number}")


async def test_other_rooms_go_on(scene: Scene, stage: Stage, zoe: Peer) -> None:
    elsewhere = await stage.shared_room(scene.alice, scene.bob)
    zoe.instead["get_missing_events"] = hang
    scene.room.say(zoe.user("zoe"), "kept back")
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), "sent"))
    await scene.bob.say(elsewhere, "here")
    async with asyncio.timeout(5):
        await scene.alice.hears(elsewhere, "here")


@pytest.mark.parametrize("operation", ["get_missing_events", "state_ids", "event_auth"])
async def test_what_a_peer_holds_back_keeps_no_other_waiting(scene: Scene, zoe: Peer, operation: str) -> None:
    """Its events cannot be judged; those of others in the room can."""
    zoe.instead.update({"get_missing_events": {"events": []}, operation: hang})
    scene.room.say(zoe.user("zoe"), "kept back")
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), "sent"))
    await scene.bob.say(scene.room.room_id, "does anybody hear me")
    async with asyncio.timeout(10):
        await scene.alice.hears(scene.room.room_id, "does anybody hear me")


async def test_what_was_tried_in_vain_for_long_is_taken_when_its_past_comes(scene: Scene, zoe: Peer) -> None:
    """It is not left until its next turn, which would be the later the more often it was tried."""
    zoe.instead.update({"get_missing_events": {"events": []}, "state_ids": answers.refusal(404, "M_NOT_FOUND")})
    before = scene.room.say(zoe.user("zoe"), "kept back")
    after = scene.room.say(zoe.user("zoe"), "sent")
    for times in range(1, 5):
        await zoe.send(scene.alice.at, after)
        while zoe.times("state_ids") < times:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await zoe.send(scene.alice.at, before)
    async with asyncio.timeout(5):
        await scene.alice.hears(scene.room.room_id, "sent")
