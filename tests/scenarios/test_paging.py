"""A client that syncs with gaps and pages back into them has every event once, in the room's order."""

import asyncio
import random

import pytest

from tests.support.homeserver import Home, Json, User, ids


class Reader:
    """A client that keeps one room's timeline and fills each gap by paging back."""

    def __init__(self, user: User, room: str, limit: int, page: int) -> None:
        self.user = user
        self.room = room
        self.page = page
        self.filter: Json = {"room": {"timeline": {"limit": limit}}}
        self.timeline: list[str] = []

    async def catch_up(self) -> None:
        """One sync, and the gap before it if there is one."""
        since = self.user.since
        update = (await self.user.sync(filter=self.filter)).joined(self.room)
        if update.limited:
            gap = await self.user.history(self.room, "b", from_=update.prev_batch, to=since, limit=self.page)
            self.timeline += ids(gap)[::-1]
        self.timeline += ids(update.timeline)


@pytest.mark.parametrize(("limit", "page"), [(0, 3), (1, 1), (1, 100), (2, 2), (5, 4), (100, 10)])
async def test_trap_49_gaps_close_without_loss_or_double(home: Home, limit: int, page: int) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    reader = Reader(bob, room, limit, page)
    dice = random.Random(limit * 100 + page)
    for turn in range(6):
        for number in range(dice.randrange(8)):
            if dice.random() < 0.3:
                await alice.set_state(room, "m.room.topic", {"topic": f"{turn} {number}"})
            else:
                await alice.say(room, f"{turn} {number}")
        await reader.catch_up()
    whole = ids(await alice.history(room, "f", limit=100))
    assert reader.timeline == whole


async def test_trap_49_also_while_others_write(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    for user in (bob, carol):
        await user.join(room)
    reader = Reader(carol, room, limit=2, page=3)

    async def talk(user: User) -> None:
        for number in range(15):
            await user.say(room, str(number))

    talking = [asyncio.create_task(talk(user)) for user in (alice, bob)]
    while not all(task.done() for task in talking):
        await reader.catch_up()
    await reader.catch_up()
    assert reader.timeline == ids(await carol.history(room, "f", limit=100))


async def test_trap_49_a_first_sync_is_continued_by_its_prev_batch(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    for text in "abc":
        await alice.say(room, text)
    whole = ids(await alice.history(room, "f", limit=100))
    for limit in range(len(whole) + 2):
        update = (await alice.sync_anew(filter={"room": {"timeline": {"limit": limit}}})).joined(room)
        before = await alice.history(room, "b", from_=update.prev_batch)
        assert ids(before)[::-1] + ids(update.timeline) == whole
        assert update.limited == bool(before)


async def test_trap_49_a_filtered_timeline_is_continued_too(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await bob.sync()
    since = bob.since
    for number in range(6):
        await alice.say(room, str(number))
        await alice.send(room, "org.example.noise", {})
    only = {"types": ["m.room.message"]}
    for limit in range(1, 8):
        update = (await bob.sync(since=since, filter={"room": {"timeline": {**only, "limit": limit}}})).joined(room)
        rest = await bob.history(room, "b", from_=update.prev_batch, to=since, filter=only, limit=2)
        assert ids(rest)[::-1] + ids(update.timeline) == ids(await alice.history(room, "f", from_=since, filter=only))
