"""Receipts: the furthest counts, private ones are for their owner alone, and every stored one is news."""

import asyncio

import pytest

from oriz_matrix.storage import interning, receipts
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.receipts import PRIVATE, Receipt
from oriz_matrix.storage.types import Position, UserNid
from tests.storage.talk import ALICE, BOB, Talk, new_room, settled

READ = "m.read"


@pytest.fixture
async def talk(database: Database) -> Talk:
    """A room with three messages."""
    talk = await new_room(database)
    for _ in range(3):
        await talk.say(notifies=True)
    return talk


async def people(database: Database) -> tuple[UserNid, UserNid]:
    return await database.write(interning.user, ALICE), await database.write(interning.user, BOB)


async def put(talk: Talk, user: UserNid, at: int, kind: str = READ, thread: str = "", back: int = 0) -> bool:
    """A receipt at an event that stands at a position."""
    receipt = Receipt(talk.nid, user, kind, thread, f"$at{at}", at)  # type: ignore[arg-type]
    return await talk.db.write(receipts.put, receipt, (Position(at), back), at // 10)


async def test_a_receipt_never_goes_back(database: Database, talk: Talk) -> None:
    alice, _ = await people(database)
    assert await put(talk, alice, 50)
    assert not await put(talk, alice, 40)
    assert not await put(talk, alice, 50)
    assert not await put(talk, alice, 50, back=-3)
    assert await put(talk, alice, 60)
    assert await database.read(receipts.read_up_to, [talk.nid], alice) == {talk.nid: (60, 6)}


async def test_kinds_and_threads_stand_beside_each_other(database: Database, talk: Talk) -> None:
    alice, bob = await people(database)
    before = await settled(database)
    assert await put(talk, alice, 50)
    assert await put(talk, alice, 30, PRIVATE)
    assert await put(talk, alice, 20, READ, "$root")
    assert await put(talk, alice, 10, READ, "main")
    assert await put(talk, bob, 40)
    found = await database.read(receipts.changed, [talk.nid], before, alice)
    assert {(r.user, r.kind, r.thread, r.ts) for r in found} == {
        (alice, READ, "", 50),
        (alice, PRIVATE, "", 30),
        (alice, READ, "$root", 20),
        (alice, READ, "main", 10),
        (bob, READ, "", 40),
    }
    assert await database.read(receipts.read_up_to, [talk.nid], alice) == {talk.nid: (50, 5)}
    assert await database.read(receipts.read_up_to, [talk.nid], bob) == {talk.nid: (40, 4)}


async def test_private_receipts_are_shown_to_their_owner_alone(database: Database, talk: Talk) -> None:
    alice, bob = await people(database)
    await put(talk, alice, 30, PRIVATE)
    assert len(await database.read(receipts.changed, [talk.nid], Position(0), alice)) == 1
    assert await database.read(receipts.changed, [talk.nid], Position(0), bob) == []


async def test_only_what_is_newer_is_told(database: Database, talk: Talk) -> None:
    alice, bob = await people(database)
    other = await new_room(database)
    await put(talk, alice, 30)
    between = await settled(database)
    await put(talk, bob, 20)
    await put(other, bob, 20)
    await put(talk, alice, 10)  # goes back: no news
    after = await settled(database)
    found = await database.read(receipts.changed, [talk.nid, other.nid], between, alice)
    assert {(r.room, r.user) for r in found} == {(talk.nid, bob), (other.nid, bob)}
    assert await database.read(receipts.changed, [talk.nid, other.nid], after, alice) == []


async def test_of_many_at_once_the_furthest_stays(database: Database, talk: Talk) -> None:
    alice, _ = await people(database)
    ats = [17, 90, 3, 55, 89, 41, 90, 12]
    stored = await asyncio.gather(*(put(talk, alice, at) for at in ats))
    assert any(stored)
    assert await database.read(receipts.read_up_to, [talk.nid], alice) == {talk.nid: (90, 9)}
    [receipt] = await database.read(receipts.changed, [talk.nid], Position(0), alice)
    assert (receipt.event_id, receipt.ts) == ("$at90", 90)
