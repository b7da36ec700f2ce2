"""A restart between two syncs changes nothing, though the server remembers nothing of what changed lately."""

import asyncio
from typing import Any

from tests.support.homeserver import Home, Synced


def without_ages(answer: Synced) -> Any:
    """The answer without what depends on the moment."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: strip(inner) for name, inner in value.items() if name not in ("age", "next_batch")}
        return [strip(inner) for inner in value] if isinstance(value, list) else value

    return strip(answer.body)


async def test_what_was_missed_is_the_same_after_a_restart(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat", name="Tea")
    quiet, invited, left = [await alice.create_room(preset="public_chat") for _ in range(3)]
    for user in (bob, carol):
        for each in (room, quiet, left):
            await user.join(each)
        await user.sync()
    since = bob.since
    said = await alice.say(room, "hello", more={"m.mentions": {"user_ids": [bob.id]}})
    await carol.say(room, "hello too")
    await carol.set_state(quiet, "m.room.member", {"membership": "join", "displayname": "Caz"}, carol.id)
    await alice.receipt(room, said)
    await bob.receipt(room, said, "m.read.private")
    await bob.receipt(room, said, "m.fully_read")
    await alice.type(room, 60_000)
    await alice.invite(invited, bob)
    await alice.set_member(left, bob, "leave")
    before = await bob.sync(since=since)
    await either_home.restart(alice, bob, carol)
    after = await bob.sync(since=since)
    assert without_ages(after) == without_ages(before)
    assert not (await bob.sync()).rooms


async def test_nothing_new_is_nothing_new_after_a_restart(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await alice.say(room, "hello")
    for user in (alice, bob):
        await user.sync()
    await home.restart(alice, bob)
    assert not (await bob.sync()).rooms
    await alice.sync()
    await home.restart(alice, bob)
    waiting = asyncio.create_task(bob.sync(timeout=5_000))
    await asyncio.sleep(0.2)
    assert not waiting.done(), waiting.result().body
    await alice.say(room, "and again")
    assert (await waiting).joined(room).texts == ["and again"]


async def test_a_waiting_sync_gets_what_a_later_one_gets(either_home: Home) -> None:
    """One answer was made for all who waited, the other for bob alone, from the database."""
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat", name="Tea")
    for user in (bob, carol):
        await user.join(room)
    acts = [
        lambda: alice.say(room, "hello"),
        lambda: alice.say(room, "you", more={"m.mentions": {"user_ids": [bob.id]}}),
        lambda: alice.set_state(room, "m.room.topic", {"topic": "new"}),
        lambda: carol.set_member(room, carol, "join", displayname="Caz"),
        lambda: carol.leave(room),
        lambda: alice.type(room, 60_000),
        lambda: alice.invite(room, carol),
    ]
    await bob.sync()
    pairs = []
    for act in acts:
        since = bob.since
        async with bob.waiting() as hears:
            await act()  # type: ignore[no-untyped-call]
        pairs.append((since, hears.result()))
        assert without_ages(await bob.sync(since=since)) == without_ages(hears.result())
    await either_home.restart(alice, bob, carol)
    for since, heard in pairs[-1:]:
        assert without_ages(await bob.sync(since=since)) == without_ages(heard)
