"""Unread counts: what notifies, what is read, and what is neither."""

from tests.support.homeserver import Home, User


async def room_of(alice: User, *others: User) -> str:
    """A room of more than two, so that the rule for groups applies, with everybody's sync up to date."""
    room = await alice.create_room(preset="public_chat")
    for user in others:
        await user.join(room)
    for user in (alice, *others):
        await user.sync()
    return room


async def unread(user: User, room: str) -> tuple[int, int] | None:
    """The counts as a new device sees them."""
    since = user.since
    counts = (await user.sync_anew()).joined(room).unread
    user.since = since
    return counts


async def test_messages_count_and_a_receipt_reads_them(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    said = [await alice.say(room, text) for text in "abc"]
    assert (await bob.sync()).joined(room).unread == (3, 0)
    await bob.receipt(room, said[1])
    assert (await bob.sync()).joined(room).unread == (1, 0)
    await bob.receipt(room, said[2], "m.read.private")
    assert (await bob.sync()).joined(room).unread == (0, 0)
    assert await unread(carol, room) == (3, 0)
    assert await unread(alice, room) == (0, 0)


async def test_mentions_are_highlights(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    await alice.say(room, "you there", more={"m.mentions": {"user_ids": [bob.id]}})
    await alice.say(room, "all of you @room", more={"m.mentions": {"room": True}})
    await alice.say(room, "nobody", more={"m.mentions": {}})
    assert await unread(bob, room) == (3, 2)
    assert await unread(carol, room) == (3, 1)
    assert await unread(alice, room) == (0, 0)


async def test_trap_53_an_invite_is_not_unread_in_the_room(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, carol)
    await alice.say(room, "before")
    await alice.invite(room, bob)
    await bob.join(room)
    assert await unread(bob, room) == (0, 0)
    await alice.say(room, "after")
    assert await unread(bob, room) == (1, 0)


async def test_trap_53_a_change_of_name_reads_nothing(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    await alice.say(room, "hello")
    await bob.set_member(room, bob, "join", displayname="Bobby")
    assert await unread(bob, room) == (1, 0)


async def test_trap_53_ones_own_message_reads_what_is_before_it(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    await alice.say(room, "hello")
    await bob.say(room, "hi")
    assert await unread(bob, room) == (0, 0)
    await alice.say(room, "how are you")
    assert await unread(bob, room) == (1, 0)


async def test_trap_53_several_stays_do_not_add_up(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    for _ in range(2):
        await alice.say(room, "while there")
        await bob.leave(room)
        await alice.say(room, "while away")
        await bob.join(room)
    assert await unread(bob, room) == (0, 0)
    await alice.say(room, "back again")
    assert await unread(bob, room) == (1, 0)


async def test_trap_53_an_older_receipt_changes_nothing(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    said = [await alice.say(room, text) for text in "abc"]
    await bob.receipt(room, said[2])
    for event in said[:2]:
        await bob.receipt(room, event, "m.read.private")
        await bob.receipt(room, event, thread_id="main")
    assert await unread(bob, room) == (0, 0)


async def test_what_notifies_nobody_does_not_count(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    said = await alice.say(room, "hello", more={"msgtype": "m.notice"})
    await alice.set_state(room, "m.room.topic", {"topic": "new"})
    await alice.send(room, "org.example.noise", {})
    relation = {"rel_type": "m.annotation", "event_id": said, "key": "+"}
    await alice.send(room, "m.reaction", {"m.relates_to": relation})
    assert await unread(bob, room) == (0, 0)


async def test_trap_38_edits_do_not_count(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    said = await alice.say(room, "helo")
    new = {"msgtype": "m.text", "body": "hello"}
    edit = {"m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": said}}
    await alice.say(room, "* hello", more=edit)
    assert await unread(bob, room) == (1, 0)


async def test_counts_come_only_when_they_may_have_changed(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    await alice.type(room)
    assert (await bob.sync()).joined(room).unread is None
    await alice.say(room, "hello")
    assert (await bob.sync()).joined(room).unread == (1, 0)
