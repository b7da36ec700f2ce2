"""State whose newest event is not shown, by history visibility or by a filter: a client that applies the state and then
the timeline has the room's state all the same."""

from typing import Any

import pytest

from tests.support.homeserver import Home, Json, RoomUpdate, User, ids


def applied(update: RoomUpdate) -> dict[tuple[str, str], Any]:
    """What a new client makes of an answer: the contents by key."""
    events = update.state + [event for event in update.timeline if "state_key" in event]
    return {(event["type"], event["state_key"]): event["content"] for event in events}


async def set_topic(user: User, room: str, topic: str) -> str:
    """A new topic."""
    return await user.set_state(room, "m.room.topic", {"topic": topic})


async def hidden_history(alice: User, room: str) -> list[str]:
    """A topic and a name that all may see, and then others which newcomers may not."""
    shown = [await set_topic(alice, room, "shown"), await alice.say(room, "shown")]
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    await set_topic(alice, room, "hidden")
    await alice.set_state(room, "m.room.name", {"name": "hidden"})
    return shown


@pytest.mark.parametrize("synced_before", [True, False])
async def test_what_a_newcomer_may_not_see_is_in_the_state(either_home: Home, synced_before: bool) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    shown = await hidden_history(alice, room)
    if synced_before:
        await bob.sync()
    await bob.join(room)
    update = (await bob.sync(filter={"room": {"timeline": {"limit": 50}}})).joined(room)
    state = applied(update)
    assert state["m.room.topic", ""] == {"topic": "hidden"}
    assert state["m.room.name", ""] == {"name": "hidden"}
    assert state[("m.room.member", bob.id)]["membership"] == "join"
    assert update.limited
    earlier = ids(await bob.history(room, "b", from_=update.prev_batch))
    assert set(shown) <= {*earlier, *ids(update.timeline)}
    assert not set(earlier) & set(ids(update.timeline))


async def test_a_filter_that_drops_the_newer_of_two_does_not_bring_back_the_older(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", power_level_content_override={"state_default": 0})
    await bob.join(room)
    await bob.sync()
    since = bob.since
    await set_topic(bob, room, "older")
    await bob.say(room, "between")
    await set_topic(alice, room, "newer")
    await bob.say(room, "last")
    wanted: Json = {"room": {"timeline": {"not_senders": [alice.id]}}}
    update = (await bob.sync(since=since, filter=wanted)).joined(room)
    assert applied(update)["m.room.topic", ""] == {"topic": "newer"}
    assert update.limited
    gap = await bob.history(room, "b", from_=update.prev_batch, to=since, filter={"not_senders": [alice.id]})
    assert [event["type"] for event in gap] == ["m.room.topic"]
    assert update.texts == ["between", "last"]
