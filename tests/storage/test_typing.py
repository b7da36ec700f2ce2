"""Typing: beginning and stopping is news, going on is none, and everybody stops in time."""

import asyncio

import pytest

from oriz_matrix.storage import interning, recent, typing
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.types import Position, RoomNid, UserNid
from tests.storage.talk import ALICE, BOB, Talk, new_room, settled


@pytest.fixture
async def talk(database: Database) -> Talk:
    """A room."""
    return await new_room(database)


async def people(database: Database) -> tuple[UserNid, UserNid]:
    return await database.write(interning.user, ALICE), await database.write(interning.user, BOB)


async def news(database: Database, talk: Talk, after: Position) -> tuple[Position, bool]:
    """The settled position now, and whether typing changed in the room since."""
    upto, changes = await database.read_settled(recent.changes, after)
    told = any(change.kind == "typing" and change.room == talk.nid for change in changes)
    assert told == (talk.nid in await database.read(typing.changed, [talk.nid], after))
    return upto, told


async def test_beginning_and_stopping_is_news(database: Database, talk: Talk) -> None:
    alice, bob = await people(database)
    at = await settled(database)
    assert await database.write(typing.put, talk.nid, alice, 1_000, 0)
    at, told = await news(database, talk, at)
    assert told
    assert not await database.write(typing.put, talk.nid, alice, 2_000, 500), "goes on"
    at, told = await news(database, talk, at)
    assert not told
    assert await database.write(typing.put, talk.nid, bob, 2_000, 600)
    assert await database.read(typing.typing, [talk.nid], 1_500) == {talk.nid: [alice, bob]}
    assert await database.read(typing.typing, [talk.nid], 2_000) == {}
    assert await database.write(typing.put, talk.nid, alice, 0, 700)
    assert not await database.write(typing.put, talk.nid, alice, 0, 700), "had stopped"
    assert await database.read(typing.typing, [talk.nid], 800) == {talk.nid: [bob]}
    at, told = await news(database, talk, at)
    assert told


async def test_who_was_overdue_begins_anew(database: Database, talk: Talk) -> None:
    alice, _ = await people(database)
    await database.write(typing.put, talk.nid, alice, 1_000, 0)
    at = await settled(database)
    assert await database.write(typing.put, talk.nid, alice, 3_000, 1_000)
    assert (await news(database, talk, at))[1]


async def test_those_whose_time_is_over_stop(database: Database, talk: Talk) -> None:
    alice, bob = await people(database)
    other = await new_room(database)
    await database.write(typing.put, talk.nid, alice, 1_000, 0)
    await database.write(typing.put, other.nid, alice, 1_000, 0)
    await database.write(typing.put, talk.nid, bob, 2_000, 0)
    assert await database.read(typing.next_expiry) == 1_000
    at = await settled(database)
    assert await database.write(typing.expire, 999) == []
    assert (await news(database, talk, at)) == (at, False)
    assert len(await database.write(typing.expire, 1_000)) == 2
    assert (await news(database, talk, at))[1]
    assert (await news(database, other, at))[1]
    assert await database.read(typing.typing, [talk.nid], 0) == {talk.nid: [bob]}
    assert await database.read(typing.next_expiry) == 2_000
    assert len(await database.write(typing.expire, 5_000)) == 1
    assert await database.read(typing.next_expiry) is None


async def test_going_on_while_others_end_what_is_over_never_ends_unseen(database: Database) -> None:
    """Either the end came first, and going on is news again, or going on came first, and nothing ends."""
    alice, _ = await people(database)
    for number in range(30):
        room = RoomNid(1_000 + number)
        await database.write(typing.put, room, alice, 1_000, 0)
        at = await settled(database)
        began, _ = await asyncio.gather(
            database.write(typing.put, room, alice, 9_000, 999), database.write(typing.expire, 1_000)
        )
        changed = room in await database.read(typing.changed, [room], at)
        assert await database.read(typing.typing, [room], 1_001) == {room: [alice]}
        assert changed == began
