"""Where a room stands in a sync answer, and when: invited, joined, left, knocked, and none of them twice."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.homeserver import Home, User, texts

HIDDEN = {"room": {"timeline": {"not_types": ["m.room.member"]}}}


async def room_of(alice: User, *others: User) -> str:
    """A public room with everybody in it, and everybody's sync up to date."""
    room = await alice.create_room(preset="public_chat", name="Tea")
    for user in others:
        await user.join(room)
    for user in (alice, *others):
        await user.sync()
    return room


async def test_nothing_new_is_an_empty_answer(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    await room_of(alice, bob)
    answer = (await alice.sync()).body
    assert set(answer) <= {"next_batch", "device_one_time_keys_count", "device_unused_fallback_key_types"}


async def test_trap_37_key_counts_are_there_from_the_first_sync_on(home: Home) -> None:
    alice = await home.user("alice")
    for answer in (await alice.sync(), await alice.sync()):
        assert answer.body["device_one_time_keys_count"] == {"signed_curve25519": 0}
        assert answer.body["device_unused_fallback_key_types"] == []


async def test_a_first_sync_has_all_rooms_and_what_happened_last_in_them(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room, other = await alice.create_room(invite=[bob.id], name="Tea"), await bob.create_room(name="Other")
    for number in range(12):
        await alice.say(room, str(number))
    invited = await bob.sync()
    assert (invited.sections(room), invited.sections(other)) == (["invite"], ["join"])
    await bob.join(room)
    fresh = (await bob.sync_anew()).joined(room)
    assert fresh.limited
    assert fresh.texts == [str(number) for number in range(3, 12)]
    assert fresh.timeline[-1]["state_key"] == bob.id
    assert {"m.room.create", "m.room.power_levels", "m.room.name"} <= fresh.state_types
    assert fresh.members == {alice.id: "join", bob.id: "invite"}
    assert fresh.summary["m.joined_member_count"] == 2
    assert "m.heroes" not in fresh.summary, "the room has a name"
    assert all("room_id" not in event for event in [*fresh.timeline, *fresh.state])


async def test_a_gap_is_told_and_its_state_comes_along(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob)
    await alice.set_state(room, "m.room.topic", {"topic": "in the gap"})
    await alice.set_state(room, "m.room.name", {"name": "older"})
    await alice.set_state(room, "m.room.name", {"name": "newer"})
    await carol.join(room)
    for number in range(10):
        await alice.say(room, str(number))
    await alice.set_state(room, "m.room.name", {"name": "in the timeline"})
    update = (await bob.sync()).joined(room)
    assert update.limited
    assert update.texts == [str(number) for number in range(1, 10)]
    state = {(event["type"], event["state_key"]): event["content"] for event in update.state}
    assert set(state) == {("m.room.topic", ""), ("m.room.name", ""), ("m.room.member", carol.id)}
    assert state["m.room.name", ""] == {"name": "newer"}
    assert update.summary["m.joined_member_count"] == 3


@pytest.mark.parametrize("limit", [0, 1, 5, 6])
async def test_the_timeline_limit(home: Home, limit: int) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    for text in "abcde":
        await alice.say(room, text)
    update = (await bob.sync(filter={"room": {"timeline": {"limit": limit}}})).joined(room)
    assert update.texts == list("abcde")[5 - min(limit, 5) :]
    assert update.limited == (limit < 5)
    rest = await bob.history(room, "b", from_=update.prev_batch)
    assert texts(rest)[::-1] == list("abcde")[: 5 - min(limit, 5)]


async def test_full_state_gives_the_state_and_not_the_past(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room, quiet = await room_of(alice, bob), await room_of(alice, bob)
    await alice.say(room, "new")
    answer = await bob.sync(full_state=True)
    update = answer.joined(room)
    assert update.texts == ["new"]
    assert not update.limited
    assert {"m.room.create", "m.room.member", "m.room.name"} <= update.state_types
    assert answer.joined(quiet).timeline == []
    assert "m.room.create" in answer.joined(quiet).state_types
    assert not (await bob.sync()).rooms


async def test_full_state_does_not_reach_beyond_a_stay(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.leave(room)
    await alice.say(room, "after")
    answer = await bob.sync(full_state=True)
    assert answer.sections(room) == ["leave"]
    assert answer.left(room).texts == []
    assert not (await bob.sync(full_state=True)).rooms


async def test_newly_joined_rooms_come_whole(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice)
    await bob.sync()
    await alice.say(room, "before")
    await bob.join(room)
    await alice.say(room, "after")
    update = (await bob.sync()).joined(room)
    assert update.texts == ["before", "after"]
    assert {event["type"] for event in update.state + update.timeline} >= {"m.room.create", "m.room.name"}


async def test_a_rejoin_repeats_nothing_without_saying_so(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await alice.say(room, "seen")
    await bob.sync()
    await bob.leave(room)
    await bob.sync()
    await alice.say(room, "missed")
    await alice.set_state(room, "m.room.name", {"name": "changed"})
    await bob.join(room)
    update = (await bob.sync(filter={"room": {"timeline": {"limit": 50}}})).joined(room)
    assert update.limited, "the client must not add this timeline to what it has"
    assert update.texts[-2:] == ["seen", "missed"]
    assert {event["content"].get("name") for event in update.state + update.timeline} >= {"changed"}


async def test_a_leave_and_a_rejoin_between_two_syncs(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.leave(room)
    await alice.say(room, "meanwhile")
    await bob.join(room)
    answer = await bob.sync()
    assert answer.sections(room) == ["join"]
    assert "meanwhile" in answer.joined(room).texts


async def test_a_change_of_name_is_no_new_stay(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.set_member(room, bob, "join", displayname="Bobby")
    update = (await bob.sync()).joined(room)
    assert (update.types, update.state, update.limited) == (["m.room.member"], [], False)


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
async def test_trap_44_the_end_of_a_stay_bounds_what_is_sent(either_home: Home, how: str) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await room_of(alice, bob)
    await alice.say(room, "during")
    if how == "leave":
        await bob.leave(room)
    else:
        await alice.set_member(room, bob, "leave" if how == "kick" else "ban")
    after = await alice.say(room, "after")
    await alice.set_state(room, "m.room.topic", {"topic": "after"})
    await alice.receipt(room, after)
    await alice.type(room)
    answer = await bob.sync()
    assert answer.sections(room) == ["leave"]
    update = answer.left(room)
    assert update.texts == ["during"]
    assert update.timeline[-1]["state_key"] == bob.id
    assert update.state == []
    assert update.body.get("ephemeral", {"events": []}) == {"events": []}
    assert not update.account_data
    assert not (await bob.sync()).rooms, "only once"
    assert not (await bob.sync_anew()).rooms
    left = (await bob.sync_anew(filter={"room": {"include_leave": True}})).left(room)
    assert "after" not in left.texts
    assert left.timeline[-1]["state_key"] == bob.id
    assert "m.room.topic" not in left.state_types


async def test_trap_44_a_ban_after_a_goodbye_brings_no_news(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.leave(room)
    await bob.sync()
    await alice.say(room, "after")
    await alice.set_state(room, "m.room.topic", {"topic": "after"})
    for membership in ("ban", "leave"):
        await alice.set_member(room, bob, membership)
        update = (await bob.sync()).left(room)
        assert [event["content"]["membership"] for event in update.timeline] == [membership]
        assert update.state == []


async def test_trap_44_a_rejected_invite_after_an_earlier_stay_brings_no_news(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.leave(room)
    await bob.sync()
    await alice.say(room, "after")
    await alice.set_state(room, "m.room.topic", {"topic": "after"})
    await alice.invite(room, bob)
    await bob.sync()
    await bob.leave(room)
    update = (await bob.sync()).left(room)
    assert [event["content"]["membership"] for event in update.timeline] == ["leave"]
    assert update.state == []
    left = (await bob.sync_anew(filter={"room": {"include_leave": True}})).left(room)
    assert "after" not in left.texts
    assert "m.room.topic" not in left.state_types


async def test_trap_44_who_never_joined_gets_no_history(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice)
    await alice.say(room, "inside")
    for user in (bob, carol):
        await alice.invite(room, user)
        await user.sync()
    await bob.leave(room, reason="no thanks")
    await alice.set_member(room, carol, "leave", reason="a mistake")
    for user, reason in ((bob, "no thanks"), (carol, "a mistake")):
        answer = await user.sync()
        assert answer.sections(room) == ["leave"]
        update = answer.left(room)
        assert [event["content"].get("reason") for event in update.timeline] == [reason]
        assert update.state == []
        assert not (await user.sync()).rooms


async def test_trap_47_one_room_stands_in_one_section(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice)
    await bob.sync()
    since = bob.since
    steps: list[tuple[Callable[[], Awaitable[object]], str]] = [
        (lambda: alice.invite(room, bob), "invite"),
        (lambda: bob.leave(room), "leave"),
        (lambda: alice.invite(room, bob), "invite"),
        (lambda: bob.join(room), "join"),
        (lambda: alice.set_member(room, bob, "ban"), "leave"),
        (lambda: alice.set_member(room, bob, "leave"), "leave"),
        (lambda: alice.invite(room, bob), "invite"),
    ]
    for step, section in steps:
        await step()
        assert (await bob.sync(since=since)).sections(room) == [section]


async def test_trap_48_a_filter_does_not_hide_the_end_of_a_stay(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob)
    await carol.sync()
    await alice.invite(room, carol)
    await carol.leave(room)
    await alice.set_member(room, bob, "ban")
    for user in (bob, carol):
        answer = await user.sync(filter=HIDDEN)
        assert answer.sections(room) == ["leave"]
        assert answer.left(room).timeline == []
        assert user.id in answer.left(room).members


async def test_trap_48_state_that_the_timeline_filter_drops_goes_into_the_state(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob)
    await alice.say(room, "a")
    await carol.join(room)
    await alice.set_state(room, "m.room.name", {"name": "new"})
    await alice.say(room, "b")
    update = (await bob.sync(filter=HIDDEN)).joined(room)
    assert update.types == ["m.room.message", "m.room.name", "m.room.message"]
    assert update.members == {carol.id: "join"}


@pytest.mark.parametrize("by", ["rooms", "not_rooms"])
async def test_trap_48_filtered_rooms_are_out_of_every_section(home: Home, by: str) -> None:
    alice, bob = await home.users("alice", "bob")
    joined, kicked, invited, knocked, wanted = [await room_of(alice) for _ in range(5)]
    await alice.set_state(knocked, "m.room.join_rules", {"join_rule": "knock"})
    for room in (joined, kicked, wanted):
        await bob.join(room)
    await bob.sync()
    await alice.invite(invited, bob)
    await bob.set_member(knocked, bob, "knock")
    await alice.set_member(kicked, bob, "leave")
    await alice.say(joined, "hello")
    await alice.say(wanted, "hello")
    since = bob.since
    assert (await bob.sync()).rooms == {joined, kicked, invited, knocked, wanted}
    chosen = {"rooms": [wanted]} if by == "rooms" else {"not_rooms": [joined, kicked, invited, knocked]}
    assert (await bob.sync(since=since, filter={"room": chosen})).rooms == {wanted}


async def test_trap_35_the_same_since_gives_the_same_again(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    since = bob.since
    await alice.say(room, "a")
    first = await bob.sync(since=since)
    await alice.say(room, "b")
    again = await bob.sync(since=since)
    assert first.joined(room).texts == ["a"]
    assert again.joined(room).texts == ["a", "b"]


async def test_a_token_from_the_future_waits_and_goes_never_back(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    future = "s9223372036854775807"
    answer = await alice.sync(since=future)
    assert answer.next_batch == future
    assert not answer.rooms
    assert (await alice.sync_anew()).joined(room).present


async def test_a_token_of_a_lost_history_gets_a_fresh_start(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    answer = await alice.sync(since="s2")
    assert "m.room.create" in {event["type"] for event in answer.joined(room).timeline}


async def test_a_room_that_is_new_may_be_known_in_part(home: Home) -> None:
    """Who has looked into it before they joined has some of its timeline; nobody has of one that begins here."""
    alice, bob = await home.users("alice", "bob")
    await alice.sync()
    room = await alice.create_room(preset="public_chat")
    assert not (await alice.sync()).joined(room).limited
    await alice.say(room, "before")
    await bob.sync()
    await bob.join(room)
    update = (await bob.sync(filter={"room": {"timeline": {"types": ["m.room.message"]}}})).joined(room)
    assert (update.texts, update.limited) == (["before"], True)
