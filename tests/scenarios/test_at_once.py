"""Many do something in the same moment: everything happens once, and nothing is lost."""

import asyncio

from tests.support.homeserver import Home, Refused, User, ids

NAMES = ("bob", "carol", "dave", "eve", "frank")


async def test_everybody_comes_speaks_and_goes_at_once(either_home: Home) -> None:
    alice = await either_home.user("alice")
    people = await either_home.users(*NAMES)
    room = await alice.create_room(preset="public_chat", power_level_content_override={"state_default": 0})
    await alice.sync()

    async def visit(user: User, *, stays: bool) -> list[str]:
        await user.join(room)
        sent = [await user.say(room, "hello"), await user.set_state(room, "org.example.seat", {}, user.id)]
        sent.append(await user.set_state(room, "m.room.topic", {"topic": user.id}))
        if not stays:
            await user.leave(room)
        return sent

    visits = [visit(user, stays=number % 2 == 0) for number, user in enumerate(people)]
    sent = [event for events in await asyncio.gather(*visits) for event in events]
    history = ids(await alice.history(room, "f", limit=100))
    assert len(history) == len(set(history))
    assert set(sent) <= set(history)
    state = await alice.whole_state(room)
    assert all(("org.example.seat", user.id) in state for user in people)
    topics = [event for event in await alice.history(room, "f") if event["type"] == "m.room.topic"]
    assert state["m.room.topic", ""]["event_id"] == topics[-1]["event_id"]
    summary = (await alice.sync()).joined(room).summary
    assert summary["m.joined_member_count"] == len(await alice.members(room, membership="join")) == 4


async def test_an_alias_is_given_once(either_home: Home) -> None:
    people = await either_home.users(*NAMES)
    attempts = [user.create_room(room_alias_name="tea") for user in people]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    refusals = [outcome.errcode for outcome in outcomes if isinstance(outcome, Refused)]
    assert refusals == ["M_ROOM_IN_USE"] * 4


async def test_one_user_makes_many_rooms_at_once(either_home: Home) -> None:
    alice = await either_home.user("alice")
    rooms = await asyncio.gather(*(alice.create_room() for _ in range(8)))
    assert len(set(rooms)) == 8
    assert (await alice.sync()).rooms == set(rooms)


async def test_a_kick_and_a_message_race_and_one_comes_first(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    for _ in range(3):
        room = await alice.create_room(preset="public_chat")
        await bob.join(room)
        said, kicked = await asyncio.gather(
            bob.say(room, "wait"), alice.set_member(room, bob, "leave"), return_exceptions=True
        )
        history = ids(await alice.history(room, "f"))
        assert isinstance(kicked, str)
        if isinstance(said, str):
            assert history.index(said) < history.index(kicked)
        else:
            assert isinstance(said, Refused)
            assert said.errcode == "M_FORBIDDEN"
