"""The order of a room: pages in both directions against a plain list, with what was fetched later in its gaps."""

import random

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import events, interning, timeline
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.timeline import Entry, Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position
from tests.storage.talk import ALICE, BOB, Talk, event, new_room

FIRST, LAST = Place(-1), Place(2**62)


async def fetch_into_the_gap(talk: Talk, before: Position, count: int) -> None:
    """Older events, as backfill brings them: newest first, each further back."""

    def store(tx: Transaction) -> None:
        row = tx.one("SELECT branch, state_at FROM rooms WHERE nid = :room", room=talk.nid)
        assert row is not None
        numbers = [EventNid(position) for position in tx.positions(count)]
        bodies = {nid: event(talk.room_id, sender=BOB) for nid in numbers}
        events.add(tx, talk.nid, bodies)
        sender = interning.user(tx, BOB)
        timeline.add(
            tx,
            [
                Entry(nid, talk.nid, sender, None, None, before, -back, row[0], row[1], None, 0)
                for back, nid in enumerate(numbers, 1)
            ],
            bodies,
        )

    await talk.db.write(store)


async def refuse(talk: Talk, column: str, event_ids: list[EventId]) -> None:
    """Marks events as rejected or soft-failed, which nobody sees."""
    numbers = list((await talk.db.read(events.find, event_ids)).values())
    if column == "rejected":
        await talk.db.write(
            lambda tx: tx.run("UPDATE event_status SET rejected = 'no' WHERE event = ANY(:e)", e=numbers)
        )
    else:
        await talk.db.write(
            lambda tx: tx.run("UPDATE event_status SET soft_failed = TRUE WHERE event = ANY(:e)", e=numbers)
        )


async def test_pages_are_slices_of_one_order(database: Database) -> None:
    talk, other = await new_room(database), await new_room(database)
    source = random.Random(1)
    for _ in range(12):
        await talk.say()
        await other.say()
        if source.random() < 0.5:
            await fetch_into_the_gap(talk, (await talk.row()).latest, source.randint(1, 4))
    whole = await database.read(timeline.after, talk.nid, FIRST, LAST, 1000)
    order = [(entry.position, entry.back) for entry in whole]
    assert order == sorted(set(order))
    assert any(back < 0 for _, back in order)
    assert len(order) > 20
    assert {entry.room for entry in whole} == {talk.nid}
    places = [FIRST, LAST, *(Place(*place) for place in order), *(Place(p, -9) for p, _ in order)]
    for _ in range(100):
        low, high, limit = source.choice(places), source.choice(places), source.randint(1, 9)
        between = [place for place in order if tuple(low) < place <= tuple(high)]
        forwards = await database.read(timeline.after, talk.nid, low, high, limit)
        backwards = await database.read(timeline.before, talk.nid, high, low, limit)
        assert [(e.position, e.back) for e in forwards] == between[:limit]
        assert [(e.position, e.back) for e in backwards] == between[::-1][:limit]


async def test_what_was_refused_stands_in_no_page(database: Database) -> None:
    talk = await new_room(database)
    said = [await talk.say() for _ in range(4)]
    await refuse(talk, "rejected", [said[0].event_id])
    await refuse(talk, "soft_failed", [said[2].event_id])
    seen = {await talk.number(said[1]), await talk.number(said[3])}
    entries = await database.read(timeline.after, talk.nid, Place((await talk.row()).current.position), LAST, 10)
    assert {entry.event for entry in entries} == seen
    entries = await database.read(timeline.before, talk.nid, LAST, Place((await talk.row()).current.position), 10)
    assert {entry.event for entry in entries} == seen
    assert await database.read(timeline.status, await talk.number(said[0])) is None
    assert await database.read(timeline.status, await talk.number(said[2])) is None
    assert await database.read(timeline.status, await talk.number(said[3])) is not None


async def test_the_count_at_a_position_is_that_of_the_newest_event_by_then(database: Database) -> None:
    talk = await new_room(database)
    marks = [((await talk.row()).latest, 0)]
    for number in range(1, 6):
        await (await new_room(database)).say(notifies=True)
        await talk.say(notifies=number % 2 == 1)
        marks.append(((await talk.row()).latest, (number + 1) // 2))
    await (await new_room(database)).say(notifies=True)
    for position, count in marks:
        assert await database.read(timeline.unread_at, talk.nid, position) == count
        assert await database.read(timeline.unread_at, talk.nid, Position(position + 1)) == count
    assert await database.read(timeline.unread_at, talk.nid, Position(0)) == 0


async def test_the_newest_event_of_a_sender_is_found_as_of_a_position(database: Database) -> None:
    talk = await new_room(database)
    bob = await database.write(interning.user, BOB)
    alice = await database.write(interning.user, ALICE)
    assert await database.read(timeline.last_of_sender, talk.nid, bob, Position(2**60)) is None
    await talk.say(BOB, notifies=True)
    first = (await talk.row()).latest
    await talk.say(notifies=True)
    await talk.say(BOB, notifies=True)
    last = (await talk.row()).latest
    assert await database.read(timeline.last_of_sender, talk.nid, bob, last) == (last, 3)
    assert await database.read(timeline.last_of_sender, talk.nid, bob, Position(last - 1)) == (first, 1)
    assert await database.read(timeline.last_of_sender, talk.nid, alice, last) == (last - 1, 2)


async def test_a_sync_token_of_before_sees_what_is_fetched_into_the_past_nowhere(database: Database) -> None:
    """What is fetched later stands before the position at which its gap ends, so no sync brings it as new."""
    talk = await new_room(database)
    await talk.say()
    at = (await talk.row()).latest
    await fetch_into_the_gap(talk, at, 3)
    assert await database.read(timeline.after, talk.nid, Place(at), LAST, 10) == []
