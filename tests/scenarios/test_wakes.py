"""Long polls: each kind of change wakes who must hear of it, and nobody else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.homeserver import Home, Refused, User

Act = Callable[[User, User, str, str], Awaitable[object]]

WAKING: dict[str, Act] = {
    "message": lambda alice, bob, room, said: alice.say(room, "hello"),
    "state": lambda alice, bob, room, said: alice.set_state(room, "m.room.topic", {"topic": "new"}),
    "redaction": lambda alice, bob, room, said: alice.redact(room, said),
    "kick": lambda alice, bob, room, said: alice.set_member(room, bob, "leave"),
    "another leaves": lambda alice, bob, room, said: alice.leave(room),
    "typing": lambda alice, bob, room, said: alice.type(room),
    "receipt": lambda alice, bob, room, said: alice.receipt(room, said),
    "own private receipt": lambda alice, bob, room, said: bob.receipt(room, said, "m.read.private"),
    "own fully-read marker": lambda alice, bob, room, said: bob.receipt(room, said, "m.fully_read"),
}


@pytest.mark.parametrize("kind", WAKING)
async def test_a_change_wakes_a_member(either_home: Home, kind: str) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    said = await alice.say(room, "before")
    await bob.sync()
    async with bob.waiting() as hears:
        await WAKING[kind](alice, bob, room, said)
    assert hears.result().rooms == {room}


async def test_an_invite_and_its_end_wake_the_invited(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room()
    await bob.sync()
    async with bob.waiting() as hears:
        await alice.invite(room, bob)
    assert hears.result().sections(room) == ["invite"]
    async with bob.waiting() as hears:
        await alice.set_member(room, bob, "leave")
    assert hears.result().sections(room) == ["leave"]


async def test_joining_on_another_device_wakes_and_what_follows_too(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    phone = await bob.log_in_again()
    room = await alice.create_room(preset="public_chat")
    await phone.sync()
    async with phone.waiting() as hears:
        await bob.join(room)
    assert hears.result().sections(room) == ["join"]
    async with phone.waiting() as hears:
        await alice.say(room, "welcome")
    assert hears.result().joined(room).texts == ["welcome"]


async def test_a_new_room_wakes_its_makers_other_device(home: Home) -> None:
    alice = await home.user("alice")
    phone = await alice.log_in_again()
    await phone.sync()
    async with phone.waiting() as hears:
        room = await alice.create_room()
    assert hears.result().joined(room).present


async def test_what_does_not_concern_one_wakes_nobody(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    other = await carol.create_room()
    await bob.join(room)
    said = await alice.say(room, "before")
    await bob.sync()
    waiting = asyncio.create_task(bob.sync(timeout=600))
    await asyncio.sleep(0.05)
    await carol.say(other, "elsewhere")
    await alice.receipt(room, said, "m.read.private")
    await alice.receipt(room, said, "m.fully_read")
    since = bob.since
    answer = await waiting
    assert not answer.rooms
    assert since is not None


async def test_a_filtered_change_wakes_nobody(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    wanted = {"room": {"ephemeral": {"not_types": ["m.typing"]}, "timeline": {"not_types": ["org.example.noise"]}}}
    await bob.sync(filter=wanted)
    waiting = asyncio.create_task(bob.sync(timeout=5_000, filter=wanted))
    await asyncio.sleep(0.05)
    await alice.type(room)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await alice.say(room, "hello")
    assert (await waiting).joined(room).texts == ["hello"]


async def test_one_message_reaches_everybody_who_waits_each_in_their_own_way(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    phone = await alice.log_in_again()
    room = await alice.create_room(preset="public_chat")
    for user in (bob, carol):
        await user.join(room)
    for user in (alice, phone, bob, carol):
        await user.sync()
    lazy = {"room": {"state": {"lazy_load_members": True}}}
    async with (
        alice.waiting() as own,
        phone.waiting() as other,
        bob.waiting() as plain,
        carol.waiting(filter=lazy) as lean,
    ):
        await asyncio.sleep(0.05)
        await alice.say(room, f"hello @bob {bob.id}", "mine", more={"m.mentions": {"user_ids": [bob.id]}})
    updates = {name: task.result().joined(room) for name, task in
               (("own", own), ("other", other), ("plain", plain), ("lean", lean))}  # fmt: skip
    assert {name: update.timeline[-1]["unsigned"].get("transaction_id") for name, update in updates.items()} == {
        "own": "mine",
        "other": None,
        "plain": None,
        "lean": None,
    }
    assert {name: update.unread for name, update in updates.items()} == {
        "own": (0, 0),
        "other": (0, 0),
        "plain": (1, 1),
        "lean": (1, 0),
    }
    assert updates["lean"].members == {alice.id: "join"}
    assert updates["plain"].state == []


async def test_the_end_of_a_session_ends_its_poll(either_home: Home) -> None:
    alice = await either_home.user("alice")
    phone = await alice.log_in_again()
    await phone.sync()
    waiting = asyncio.create_task(phone.sync(timeout=10_000))
    await asyncio.sleep(0.1)
    await phone.request("POST", "/v3/logout")
    async with asyncio.timeout(3):
        with pytest.raises(Refused, match="M_UNKNOWN_TOKEN"):
            await waiting
    await alice.sync()


async def test_a_session_that_ends_elsewhere_ends_its_poll_too(home: Home) -> None:
    alice = await home.user("alice")
    phone = await alice.log_in_again()
    await phone.sync()
    waiting = asyncio.create_task(phone.sync(timeout=10_000))
    await asyncio.sleep(0.1)
    await alice.request("POST", "/v3/logout/all")
    async with asyncio.timeout(3):
        with pytest.raises(Refused, match="M_UNKNOWN_TOKEN"):
            await waiting


async def test_a_poll_without_news_ends_with_its_time(home: Home) -> None:
    alice = await home.user("alice")
    first = await alice.sync()
    started = asyncio.get_running_loop().time()
    answer = await alice.sync(timeout=200)
    assert 0.19 < asyncio.get_running_loop().time() - started < 2
    assert answer.next_batch >= first.next_batch


async def test_the_server_stops_without_waiting_for_polls(home: Home) -> None:
    alice = await home.user("alice")
    await alice.sync()
    waiting = asyncio.create_task(alice.sync(timeout=30_000))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        await home.restart(alice)
    await asyncio.gather(waiting, return_exceptions=True)
    room = await alice.create_room(room_version="12")
    assert (await alice.sync()).joined(room).present
