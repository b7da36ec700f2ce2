"""Receipts and typing: who hears of them, when, and how often."""

import time

import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.storage import interning, rooms, typing
from tests.support.homeserver import Home, User


async def room_of(alice: User, *others: User) -> str:
    """A room with everybody in it, and everybody's sync up to date."""
    room = await alice.create_room(preset="public_chat")
    for user in others:
        await user.join(room)
    for user in (alice, *others):
        await user.sync()
    return room


async def test_typing_starts_and_stops(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.type(room)
    await alice.type(room)
    assert (await alice.sync()).joined(room).typing == [bob.id, alice.id]
    await bob.type(room)
    assert not (await alice.sync()).rooms, "who types on is no news"
    await bob.type(room, None)
    assert (await alice.sync()).joined(room).typing == [alice.id]
    await bob.type(room, None)
    assert not (await alice.sync()).rooms


async def test_a_notice_that_came_while_its_user_left_shows_nobody(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.leave(room)
    await alice.sync()
    database = either_home.server.server.database
    name = await database.read(rooms.find, RoomId(room))
    assert name is not None
    user = await database.write(interning.user, UserId(bob.id))
    await database.write(typing.put, name.nid, user, int(time.time() * 1000) + 60_000, int(time.time() * 1000))
    assert not (await alice.sync()).joined(room).typing
    assert (await alice.sync_anew()).joined(room).typing == []


async def test_who_asks_for_everything_hears_who_stopped_typing(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.type(room)
    assert (await alice.sync()).joined(room).typing == [bob.id]
    await bob.type(room, None)
    since = alice.since
    assert (await alice.sync(full_state=True)).joined(room).typing == []
    await alice.leave(room)
    await alice.join(room)
    assert (await alice.sync(since=since)).joined(room).typing == []
    assert (await alice.sync_anew()).joined(room).typing == []


async def test_typing_ends_with_its_time(timed_home: tuple[Home, FakeClock]) -> None:
    home, clock = timed_home
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.type(room, 30_000)
    assert (await alice.sync()).joined(room).typing == [bob.id]
    async with alice.waiting() as hears:
        await clock.advance(31)
    assert hears.result().joined(room).typing == []


async def test_a_short_notice_is_not_held_up_by_a_long_one(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await alice.type(room, 60_000)
    await bob.sync()
    await bob.type(room, 300)
    assert (await alice.sync()).joined(room).typing == [alice.id, bob.id]
    async with alice.waiting() as hears:
        pass
    assert hears.result().joined(room).typing == [alice.id]


@pytest.mark.parametrize("membership", ["ban", "leave"])
async def test_trap_52_the_end_of_a_stay_ends_typing(home: Home, membership: str) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.type(room)
    assert (await alice.sync()).joined(room).typing == [bob.id]
    await alice.set_member(room, bob, membership)
    assert (await alice.sync()).joined(room).typing == []
    if membership == "leave":
        await bob.join(room)
        assert (await alice.sync()).joined(room).typing is None


async def test_typing_is_forgotten_by_no_restart(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    await bob.type(room, 700)
    await home.restart(alice, bob)
    assert (await alice.sync()).joined(room).typing in ([bob.id], [])
    async with alice.waiting() as hears:
        pass
    assert hears.result().joined(room).typing == []


async def test_receipts_reach_everybody_and_private_ones_nobody(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    phone = await bob.log_in_again()
    room = await room_of(alice, bob)
    first, second = await alice.say(room, "one"), await alice.say(room, "two")
    for user in (alice, bob, phone):
        await user.sync()
    await bob.receipt(room, first)
    await bob.receipt(room, second, "m.read.private")
    assert (await alice.sync()).joined(room).receipts == {(first, "m.read", bob.id, None)}
    for device in (bob, phone):
        assert (await device.sync()).joined(room).receipts == {
            (first, "m.read", bob.id, None),
            (second, "m.read.private", bob.id, None),
        }


async def test_a_receipt_goes_forward_only(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    first, second = await alice.say(room, "one"), await alice.say(room, "two")
    await bob.receipt(room, second)
    await alice.sync()
    for event in (first, second):
        await bob.receipt(room, event)
        assert not (await alice.sync()).rooms


async def test_trap_52_receipts_keep_their_kinds_apart(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    said = await alice.say(room, "hello")
    await bob.receipt(room, said)
    await bob.receipt(room, said, thread_id="main")
    await bob.receipt(room, said, thread_id=said)
    await bob.receipt(room, said, "m.read.private")
    await bob.receipt(room, said, "m.read.private", thread_id="main")
    public = {(said, "m.read", bob.id, thread) for thread in (None, "main", said)}
    private = {(said, "m.read.private", bob.id, thread) for thread in (None, "main")}
    for user, seen in ((alice, public), (bob, public | private)):
        assert (await user.sync()).joined(room).receipts == seen
        assert (await user.sync_anew()).joined(room).receipts == seen


async def test_trap_51_who_joins_is_told_what_is_current(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice)
    await bob.sync()
    said = await alice.say(room, "hello")
    await alice.receipt(room, said)
    await alice.receipt(room, said, "m.read.private")
    await alice.type(room)
    await bob.sync()
    await bob.join(room)
    update = (await bob.sync()).joined(room)
    assert update.receipts == {(said, "m.read", alice.id, None)}
    assert update.typing == [alice.id]


async def test_trap_51_a_rejoin_brings_the_rooms_account_data_again(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await room_of(alice, bob)
    said = await alice.say(room, "hello")
    await bob.receipt(room, said, "m.fully_read")
    await bob.sync()
    await bob.leave(room)
    await bob.sync()
    await bob.join(room)
    assert (await bob.sync()).joined(room).account_data == {"m.fully_read": {"event_id": said}}


async def test_the_fully_read_marker_is_ones_own(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    phone = await bob.log_in_again()
    room = await room_of(alice, bob)
    await phone.sync()
    said = await alice.say(room, "hello")
    for user in (alice, bob, phone):
        await user.sync()
    await bob.receipt(room, said, "m.fully_read")
    assert not (await alice.sync()).rooms
    for device in (bob, phone):
        assert (await device.sync()).joined(room).account_data == {"m.fully_read": {"event_id": said}}
