"""Unread counts: what notifies, what is read, and what is neither."""

import random
import string

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


THREADS = {"room": {"timeline": {"unread_thread_notifications": True}}}


def in_thread(root: str) -> dict[str, object]:
    """What puts a message into a thread."""
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}


async def test_threads_are_counted_apart_for_who_asks(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    root = await alice.say(room, "root")
    reply = await alice.say(room, "in it", more=in_thread(root))
    await alice.say(room, "you", more={**in_thread(root), "m.mentions": {"user_ids": [bob.id]}})
    await alice.say(room, "beside it")
    since = bob.since
    assert (await bob.sync()).joined(room).unread == (4, 1)
    update = (await bob.sync(since=since, filter=THREADS)).joined(room)
    assert (update.unread, update.unread_threads) == ((2, 0), {root: (2, 1)})
    await bob.receipt(room, reply, thread_id=root)
    update = (await bob.sync(filter=THREADS)).joined(room)
    assert (update.unread, update.unread_threads) == ((2, 0), {root: (1, 1)})
    await bob.receipt(room, root, thread_id="main")
    update = (await bob.sync(filter=THREADS)).joined(room)
    assert (update.unread, update.unread_threads) == ((1, 0), {root: (1, 1)})
    assert await unread(bob, room) == (2, 1)
    await bob.say(room, "an own message reads everything")
    update = (await bob.sync(filter=THREADS)).joined(room)
    assert (update.unread, update.unread_threads) == ((0, 0), {})


async def test_trap_53_a_threaded_receipt_behind_an_unthreaded_one_changes_nothing(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    root = await alice.say(room, "root")
    replies = [await alice.say(room, text, more=in_thread(root)) for text in "abc"]
    await bob.receipt(room, replies[1])
    assert await unread(bob, room) == (1, 0)
    await bob.receipt(room, replies[0], thread_id=root)
    assert await unread(bob, room) == (1, 0)


async def test_trap_38_a_thread_is_found_over_three_relations(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    root = await alice.say(room, "root")
    last = await alice.say(room, "in it", more=in_thread(root))
    for _ in range(4):
        relation = {"rel_type": "m.reference", "event_id": last}
        last = await alice.say(room, "about that", more={"m.relates_to": relation})
    update = (await bob.sync(filter=THREADS)).joined(room)
    assert (update.unread, update.unread_threads) == ((2, 0), {root: (4, 0)})


async def test_trap_53_redacted_events_leave_the_count(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    said = [await alice.say(room, text, more={"m.mentions": {"user_ids": [bob.id]}}) for text in "abc"]
    assert (await bob.sync()).joined(room).unread == (3, 3)
    await alice.redact(room, said[1])
    assert (await bob.sync()).joined(room).unread == (2, 2)
    await bob.receipt(room, said[1])
    assert (await bob.sync()).joined(room).unread == (1, 1)


async def test_the_rules_at_the_moment_of_the_event_decide(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    rules = "/v3/pushrules/global"
    await alice.say(room, "counts")
    await bob.request("PUT", f"{rules}/room/{room}", {"actions": []})
    await alice.say(room, "does not")
    await alice.say(room, "but this does", more={"m.mentions": {"user_ids": [bob.id]}})
    assert await unread(bob, room) == (2, 1)
    await bob.request("PUT", f"{rules}/content/tea", {"pattern": "tea", "actions": ["notify"]})
    await alice.say(room, "tea?")
    await alice.say(room, "coffee?")
    assert await unread(bob, room) == (3, 1)
    await bob.request("PUT", f"{rules}/override/.m.rule.master/enabled", {"enabled": True})
    await alice.say(room, "tea?", more={"m.mentions": {"user_ids": [bob.id]}})
    await bob.request("PUT", f"{rules}/override/.m.rule.master/enabled", {"enabled": False})
    await bob.request("DELETE", f"{rules}/room/{room}")
    await alice.say(room, "coffee?")
    assert await unread(bob, room) == (4, 1)
    assert await unread(carol, room) == (7, 0)


async def test_a_rule_for_the_display_name_knows_the_newest(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await room_of(alice, bob, carol)
    actions = ["notify", {"set_tweak": "highlight"}]
    rule = {"conditions": [{"kind": "contains_display_name"}], "actions": actions}
    await bob.request("PUT", "/v3/pushrules/global/override/name", rule)
    await alice.say(room, "hello Robert")
    await bob.set_member(room, bob, "join", displayname="Robert")
    await alice.say(room, "hello Robert")
    assert await unread(bob, room) == (2, 1)


async def test_what_cannot_be_an_id_starts_no_thread_and_mutes_no_room(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await room_of(alice, bob)
    noise = random.Random(1).choices(string.ascii_letters, k=12_000)  # incompressible, so that no index holds it
    for name in ("a\0b", "".join(noise)):
        for rel_type in ("m.thread", "m.annotation", "m.replace"):
            relates_to = {"rel_type": rel_type, "event_id": f"${name}"}
            await alice.say(room, "hello", more={"m.relates_to": relates_to})
        await bob.ignore_names(f"@{name}:example.org")
    condition = {"kind": "event_match", "key": "room_id", "pattern": "!a\0b"}  # a longer one is refused
    await bob.request("PUT", "/v3/pushrules/global/override/rule", {"conditions": [condition], "actions": []})
    await alice.say(room, "the last")
    assert "the last" in (await bob.sync()).joined(room).texts
