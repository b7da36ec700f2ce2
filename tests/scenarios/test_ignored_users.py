"""Ignored users: what they say and do is not shown, and does not count; the state that they set is.

Source: client-server API, "Ignoring Users".
"""

import pytest

from tests.support.homeserver import Home, Json, User, refused, texts


async def room_of(alice: User, *others: User) -> str:
    """A room of more than two, with everybody's sync up to date."""
    room = await alice.create_room(preset="public_chat")
    for user in others:
        await user.join(room)
    for user in (alice, *others):
        await user.sync()
    return room


async def test_messages_are_dropped_and_state_is_not(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    await bob.ignore(carol)
    said = await carol.say(room, "hidden")
    await alice.say(room, "shown")
    await carol.set_member(room, carol, "join", displayname="Caroline")
    update = (await bob.sync()).joined(room)
    assert (update.texts, update.types) == (["shown"], ["m.room.message", "m.room.member"])
    assert (await bob.sync_anew()).joined(room).texts == ["shown"]
    assert texts((await bob.messages(room))["chunk"]) == texts((await bob.messages(room, "f"))["chunk"]) == ["shown"]
    with refused(404, "M_NOT_FOUND"):
        await bob.event(room, said)
    assert (await carol.event(room, said))["content"]["body"] == "hidden"


async def test_a_long_poll_hears_nothing_of_them(either_home: Home) -> None:
    alice, bob, carol, dave = await either_home.users("alice", "bob", "carol", "dave")
    room = await room_of(alice, bob, carol, dave)
    await bob.ignore(carol)
    await bob.sync()
    async with bob.waiting() as hears, dave.waiting() as hears_all:
        said = await carol.say(room, "hidden")
        await carol.type(room)
        await carol.receipt(room, said)
        await alice.say(room, "shown")
    update = hears.result().joined(room)
    assert "hidden" not in update.texts
    assert hears_all.result().joined(room).texts[0] == "hidden"
    later = (await bob.sync()).joined(room)
    assert [*update.texts, *later.texts] == ["shown"]
    assert (update.receipts | later.receipts, update.typing or [], later.typing or []) == (set(), [], [])


async def test_who_is_heard_again_is_heard_from_then_on(either_home: Home) -> None:
    """A poll that passed over what somebody ignored said does not come back to it."""
    alice, bob, carol, dave = await either_home.users("alice", "bob", "carol", "dave")
    room = await room_of(alice, bob, carol, dave)
    await bob.ignore(carol)
    await bob.sync()
    async with bob.waiting() as hears:
        async with dave.waiting():
            await carol.say(room, "hidden")
        await bob.ignore()
    assert hears.result().joined(room).texts == []
    await carol.say(room, "shown")
    assert (await bob.sync()).joined(room).texts == ["shown"]


async def test_invites_are_dropped(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    await bob.ignore(carol)
    await bob.sync()
    for inviter in (carol, alice):
        room = await inviter.create_room(invite=[bob.id])
        assert ((await bob.sync()).invite(room) is None) == (inviter is carol)
        assert ((await bob.sync_anew()).invite(room) is None) == (inviter is carol)


async def test_trap_53_their_events_leave_the_count_and_come_back(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    await alice.say(room, "one")
    await carol.say(room, "two", more={"m.mentions": {"user_ids": [bob.id]}})
    tombstone = {"body": "moved", "replacement_room": "!elsewhere:example.org"}
    await alice.set_state(room, "m.room.tombstone", tombstone)
    assert (await bob.sync()).joined(room).unread == (3, 2)
    await bob.ignore(carol)
    assert (await bob.sync()).joined(room).unread == (2, 1)
    await bob.ignore(carol, alice)
    assert (await bob.sync()).joined(room).unread == (0, 0), "state of theirs does not count either"
    await bob.ignore()
    assert (await bob.sync()).joined(room).unread == (3, 2)


async def test_who_ignores_themselves_still_hears_themselves(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.ignore(bob)
    await bob.say(room, "me")
    assert (await bob.sync()).joined(room).texts == ["me"]


async def test_who_is_not_known_yet_is_ignored_from_the_start(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    content: Json = {"ignored_users": {"@carol:example.org": {}}}
    await bob.request("PUT", f"/v3/user/{bob.id}/account_data/m.ignored_user_list", content)
    await bob.sync()
    carol = await home.user("carol")
    await carol.join(room)
    await carol.say(room, "hidden")
    update = (await bob.sync()).joined(room)
    assert (update.texts, update.types) == ([], ["m.room.member"])


@pytest.mark.parametrize("content", [{}, {"ignored_users": []}, {"ignored_users": {"nobody": 1}}, {"other": None}])
async def test_what_is_no_list_ignores_nobody(home: Home, content: dict[str, object]) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.request("PUT", f"/v3/user/{bob.id}/account_data/m.ignored_user_list", content)
    await alice.say(room, "hello")
    assert (await bob.sync()).joined(room).texts == ["hello"]


async def test_who_was_in_a_room_learns_of_its_end_though_an_ignored_user_invites_them_again(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat", power_level_content_override={"invite": 0})
    for user in (bob, carol):
        await user.join(room)
    other = await carol.create_room(invite=[bob.id])
    await bob.ignore(carol)
    await bob.sync()
    since = bob.since
    await bob.leave(room)
    await carol.invite(room, bob)
    answer = await bob.sync()
    assert (answer.sections(room), answer.left(room).types) == (["leave"], ["m.room.member"])
    assert not (await bob.sync()).rooms
    await alice.invite(room, bob)
    assert (await bob.sync()).sections(room) == ["invite"]
    await alice.set_member(room, bob, "leave")
    await carol.invite(room, bob)
    answer = await bob.sync()
    assert (answer.sections(room), answer.left(room).timeline) == (["leave"], [])
    assert (await bob.sync(since=since)).sections(room) == ["leave"]
    await carol.set_member(other, bob, "leave")
    await carol.invite(other, bob)
    assert (await bob.sync(since=since)).sections(other) == ["leave"]
    assert (await bob.sync_anew()).rooms == set()
