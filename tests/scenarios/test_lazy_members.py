"""Lazily loaded members: enough to show what is there, and never too little."""

import pytest

from tests.support.homeserver import Home, Json, User

LAZY: Json = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 2}}}


async def crowd(home: Home) -> tuple[str, list[User]]:
    """A room with seven people in it, the last of whom is the reader; alice and bob spoke last."""
    people = await home.users("alice", "bob", "carol", "dave", "eve", "frank", "reader")
    room = await people[0].create_room(preset="public_chat")
    for user in people[1:]:
        await user.join(room)
    await people[0].say(room, "hello")
    await people[1].say(room, "hello")
    return room, people


def known(*users: User) -> dict[str, str]:
    """That these are in the room."""
    return {user.id: "join" for user in users}


async def test_a_first_sync_has_the_speakers_the_heroes_and_the_reader(either_home: Home) -> None:
    room, people = await crowd(either_home)
    alice, bob, carol, dave, eve, frank, reader = people
    update = (await reader.sync(filter=LAZY)).joined(room)
    assert update.texts == ["hello", "hello"]
    assert update.summary["m.heroes"] == [user.id for user in (alice, bob, carol, dave, eve)]
    assert update.members == known(alice, bob, carol, dave, eve, reader), "frank is not needed"
    await frank.say(room, "me")
    assert (await reader.sync(filter=LAZY)).joined(room).members == known(frank)


async def test_others_state_comes_whole(home: Home) -> None:
    room, people = await crowd(home)
    update = (await people[-1].sync(filter=LAZY)).joined(room)
    assert {"m.room.create", "m.room.history_visibility", "m.room.power_levels"} <= update.state_types


async def test_a_long_poll_brings_the_speaker(home: Home) -> None:
    room, people = await crowd(home)
    frank, reader = people[5], people[-1]
    await reader.sync(filter=LAZY)
    async with reader.waiting(filter=LAZY) as hears:
        await frank.say(room, "me")
    assert hears.result().joined(room).members == known(frank)


async def test_members_who_changed_in_a_gap_are_told(home: Home) -> None:
    room, people = await crowd(home)
    alice, _, carol, dave, *_, reader = people
    await reader.sync(filter=LAZY)
    await carol.leave(room)
    await dave.set_member(room, dave, "join", displayname="David")
    for text in "abc":
        await alice.say(room, text)
    update = (await reader.sync(filter=LAZY)).joined(room)
    assert update.limited
    assert {alice.id: "join", carol.id: "leave", dave.id: "join"}.items() <= update.members.items()
    assert update.summary["m.joined_member_count"] == 6


async def test_trap_50_what_never_arrived_is_sent_again(home: Home) -> None:
    room, people = await crowd(home)
    frank, reader = people[5], people[-1]
    await reader.sync(filter=LAZY)
    since = reader.since
    await frank.say(room, "me")
    for _ in range(2):
        assert frank.id in (await reader.sync(since=since, filter=LAZY)).joined(room).members


async def test_trap_50_a_new_stay_begins_anew(home: Home) -> None:
    room, people = await crowd(home)
    alice, bob, *_, frank, reader = people
    await reader.sync(filter=LAZY)
    await frank.say(room, "me")
    await reader.sync(filter=LAZY)
    await reader.leave(room)
    await reader.sync(filter=LAZY)
    await frank.say(room, "me again")
    await reader.join(room)
    members = (await reader.sync(filter=LAZY)).joined(room).members
    assert {frank.id, alice.id, bob.id} <= members.keys()


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_what_stands_in_the_timeline_is_not_repeated_in_the_state(home: Home, limit: int) -> None:
    room, people = await crowd(home)
    alice, reader = people[0], people[-1]
    wanted: Json = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": limit}}}
    await reader.sync(filter=wanted)
    await alice.set_member(room, alice, "join", displayname="Ally")
    await alice.say(room, "hello")
    update = (await reader.sync(filter=wanted)).joined(room)
    names = [
        event["content"]["displayname"]
        for event in update.state + update.timeline
        if event.get("state_key") == alice.id
    ]
    assert names[-1:] == ["Ally"]
    in_both = {event["event_id"] for event in update.state} & {event["event_id"] for event in update.timeline}
    assert not in_both


async def test_a_state_filter_still_holds(home: Home) -> None:
    room, people = await crowd(home)
    wanted: Json = {"room": {"state": {"lazy_load_members": True, "not_types": ["m.room.member"]}}}
    assert not (await people[-1].sync(filter=wanted)).joined(room).members


@pytest.mark.parametrize("after", [False, True])
async def test_who_is_banned_after_they_left_learns_by_whom(either_home: Home, after: bool) -> None:
    room, people = await crowd(either_home)
    alice, *_, frank, reader = people
    await reader.sync(filter=LAZY)
    await reader.leave(room)
    await reader.sync(filter=LAZY)
    await frank.leave(room)
    await alice.set_member(room, reader, "ban")
    update = (await reader.sync(filter=LAZY, use_state_after=after)).left(room)
    assert [event["sender"] for event in update.timeline] == [alice.id]
    assert update.members == known(alice) | ({reader.id: "ban"} if after else {}), "nothing of frank"
