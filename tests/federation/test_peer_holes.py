"""Events of a peer whose past is not known here: what is asked for, in which order, and how the hole is judged."""

import pytest

from tests.plays.stage import Stage
from tests.support.peer import acts
from tests.support.peer.answers import refusal
from tests.support.peer.peer import Peer
from tests.support.peer.sharing import Shared


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Shared:
    """On each engine; Zoe has the power of the founder."""
    alice = await stage.person(f"{request.param}lice")
    levels = {"users": {alice.id: 100, zoe.user("zoe"): 100}}
    room_id = await alice.create_room(preset="public_chat", room_version="11", power_level_content_override=levels)
    scene = Shared(stage, request.param, alice, await acts.join(zoe, alice.at, room_id, "zoe"))
    await alice.sees_section(room_id, "join")
    zoe.instead["get_missing_events"] = {"events": []}
    return scene


async def test_what_is_on_its_way_is_waited_for(scene: Shared, zoe: Peer) -> None:
    """No state bridges a hole that fills by itself."""
    first, second = scene.room.say(zoe.user("zoe"), "first"), scene.room.say(zoe.user("zoe"), "second")
    await zoe.send(scene.alice.at, second)
    await zoe.send(scene.alice.at, first)
    await scene.alice.hears(scene.room.room_id, "first", "second")
    assert scene.alice.room(scene.room.room_id).texts == ["first", "second"]
    assert zoe.times("state_ids") == 0


async def test_what_authorizes_an_event_may_come_with_the_state(scene: Shared, zoe: Peer) -> None:
    """The peer would answer for nothing else than the hole."""
    zoe.instead["event_auth"] = refusal(404, "M_NOT_FOUND")
    levels = dict(scene.room.known[scene.room.state()["m.room.power_levels", ""]].content)
    scene.room.make(zoe.user("zoe"), "m.room.power_levels", {**levels, "invite": 1}, "")
    scene.room.say(zoe.user("zoe"), "in the hole")
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), "the other side"))
    await scene.alice.hears(scene.room.room_id, "the other side")
    assert zoe.times("state_ids") >= 1
    assert zoe.times("event_auth") == 0


async def test_a_state_event_at_a_hole_counts_though_what_is_told_before_it_was_rejected(
    scene: Shared, zoe: Peer
) -> None:
    """Zoe takes the power of her equal, which is not allowed; that leaves no power levels but those that her topic
    cites."""
    state = scene.room.state()
    levels = state["m.room.power_levels", ""]
    auth = [levels, state["m.room.create", ""], state["m.room.member", zoe.user("zoe")]]
    scene.room.make(zoe.user("zoe"), "m.room.power_levels", {"users": {zoe.user("zoe"): 100}}, "")
    scene.room.say(zoe.user("zoe"), "in the hole")
    topic = scene.room.make(zoe.user("zoe"), "m.room.topic", {"topic": "ours"}, "", auth=auth)
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), "the other side", auth=auth))
    await scene.alice.hears(scene.room.room_id, "the other side")
    seen = await scene.alice.whole_state(scene.room.room_id)
    assert seen["m.room.topic", ""]["event_id"] == topic.event_id
    assert seen["m.room.power_levels", ""]["event_id"] == levels
