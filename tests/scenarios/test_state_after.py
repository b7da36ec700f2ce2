"""use_state_after: the state at the end of the timeline, whole or what changed, instead of that at its beginning."""

from typing import Any

from tests.support.homeserver import Home, RoomUpdate, User

ONE_MESSAGE = {"room": {"timeline": {"limit": 1, "types": ["m.room.message"]}}}
LAZY = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}


def topics(update: RoomUpdate) -> list[str]:
    """The topics in the state of an answer."""
    return [event["content"]["topic"] for event in update.state if event["type"] == "m.room.topic"]


async def sync(user: User, room: str, **query: Any) -> RoomUpdate:
    """What the room's part of an answer says, which has `state_after` and never both."""
    update = (await user.sync(use_state_after=True, **query)).joined(room)
    assert not update.present or (update.has_state_after and "state" not in update.body)
    return update


async def test_state_in_the_timeline_is_in_the_state_too(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", topic="one")
    await bob.join(room)
    first = await sync(bob, room)
    assert {(e["type"], e["state_key"]) for e in first.state} == set(await bob.whole_state(room))
    assert topics(first) == ["one"]
    for topic in ("two", "three"):
        await alice.set_state(room, "m.room.topic", {"topic": topic})
    update = await sync(bob, room)
    assert topics(update) == ["three"]
    assert update.types == ["m.room.topic"] * 2


async def test_it_is_given_even_if_empty(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await sync(bob, room)
    async with bob.waiting(use_state_after=True) as hears:
        await alice.say(room, "hello")
    update = hears.result().joined(room)
    assert (update.has_state_after, update.state, update.texts) == (True, [], ["hello"])
    without = (await bob.sync_anew()).joined(room)
    assert not without.has_state_after
    assert "state" in without.body


async def test_over_a_gap_and_behind_a_filter(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await sync(bob, room)
    await alice.set_state(room, "m.room.topic", {"topic": "in the gap"})
    await alice.say(room, "a")
    await alice.say(room, "b")
    await alice.set_state(room, "m.room.topic", {"topic": "at the end"})
    update = await sync(bob, room, filter=ONE_MESSAGE)
    assert update.limited
    assert (update.texts, topics(update)) == (["b"], ["at the end"])


async def test_lazy_members_are_as_at_the_end(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    for user in (bob, carol):
        await user.join(room)
    await carol.set_member(room, carol, "join", displayname="Caroline")
    update = await sync(bob, room, filter=LAZY)
    names = {e["state_key"]: e["content"].get("displayname") for e in update.state if e["type"] == "m.room.member"}
    assert names[carol.id] == "Caroline"
    await alice.say(room, "hello")
    assert set((await sync(bob, room, filter=LAZY)).members) == {alice.id}


async def test_of_a_room_that_was_left(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await sync(bob, room)
    await alice.set_state(room, "m.room.topic", {"topic": "seen"})
    await bob.leave(room)
    await alice.set_state(room, "m.room.topic", {"topic": "unseen"})
    await alice.set_member(room, bob, "ban")
    update = (await bob.sync(use_state_after=True)).left(room)
    assert update.has_state_after
    assert (topics(update), update.members) == (["seen"], {bob.id: "ban"})
