"""Compare-and-append: everything of an event or nothing, on the state that was seen or not at all."""

import asyncio

import psycopg
import pytest

from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.storage import (
    accounts,
    append,
    events,
    interning,
    jobs,
    membership,
    room_state,
    rooms,
    sessions,
    timeline,
    transactions,
    typing,
    unread,
)
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.caches import Caches, StateAt
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects.postgresql import Postgres
from oriz_matrix.storage.errors import Duplicate, RoomMoved
from oriz_matrix.storage.jobs import JobRequest, Lease
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.reckoning import Count
from oriz_matrix.storage.sessions import NewSession
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.transactions import TransactionId
from oriz_matrix.storage.types import DeviceNid, EventNid, Position, UserNid
from oriz_matrix.storage.unread import Counts
from tests.storage.talk import ALICE, BOB, CARL, MEMBER, Talk, event, member, new_room
from tests.support.databases import Databases
from tests.support.stores import running, schema_template


async def sizes(database: Database) -> list[int]:
    """How many rows there are of everything that an append writes."""

    def count(tx: Transaction) -> list[int]:
        return [
            tx.value("SELECT count(*) FROM events"),
            tx.value("SELECT count(*) FROM event_status"),
            tx.value("SELECT count(*) FROM state_entries"),
            tx.value("SELECT count(*) FROM memberships"),
            tx.value("SELECT count(*) FROM mentions"),
            tx.value("SELECT count(*) FROM transaction_ids"),
            tx.value("SELECT count(*) FROM auth_edges"),
        ]

    return await database.read(count)


async def user(database: Database, user_id: UserId) -> UserNid:
    """The number of a user."""
    found = await database.read(interning.find_user, user_id)
    assert found is not None
    return found


async def device_of(database: Database) -> DeviceNid:
    """A device of Alice's."""
    alice = await database.write(accounts.create, NewAccount(ALICE), 1)
    return await database.write(sessions.create, alice, NewSession(DeviceId("D"), None, b"token", 1))


async def test_a_message_moves_the_room_and_leaves_its_state(database: Database) -> None:
    talk = await new_room(database)
    before = await talk.row()
    said = await talk.say(notifies=True)
    after = await talk.row()
    assert after.current == before.current
    assert after.latest > before.latest
    assert after.unread == before.unread + 1
    assert after.extremities == [(said.event_id, said.depth)]
    nid = await talk.number(said)
    entry = await database.read(timeline.status, nid)
    assert entry is not None
    assert (entry.position, entry.back, entry.before) == (after.latest, 0, before.current)
    assert (entry.unread, entry.replaces, entry.state_key) == (1, None, None)
    loaded = (await database.read(events.load, [nid]))[nid]
    assert (loaded.event_id, loaded.pdu, loaded.room_id) == (said.event_id, said.pdu, talk.room_id)


async def test_the_row_that_is_answered_is_the_row_that_is_there(database: Database) -> None:
    talk = await new_room(database)
    sender = await user(database, ALICE)
    assert await talk.append(event(talk.room_id)) == await talk.row()
    assert await talk.append(member(talk.room_id, BOB, "join")) == await talk.row()
    seen = (await talk.row()).current
    answered = await database.write(append.message, talk.nid, seen, NewEvent(event(talk.room_id)), sender)
    assert answered == await talk.row()


async def test_both_ways_to_append_a_message_write_the_same(database: Database) -> None:
    """The one statement of PostgreSQL, and the several that every event takes."""
    device = await device_of(database)
    one, other = await new_room(database), await new_room(database)
    sender = await user(database, ALICE)
    for number in range(3):
        for talk, fast in ((one, True), (other, False)):
            row = await talk.row()
            prev = [row.extremities[0][0]] if number != 1 else []  # the second one forks
            said = event(talk.room_id, prev=prev, content={"body": "hello"})
            called = TransactionId(device, f"send {talk.nid}", str(number)) if number else None
            new = NewEvent(said, notifies=number == 2, transaction=called)
            if fast:
                await database.write(append.message, talk.nid, row.current, new, sender)
            else:
                await talk.append(new)

    def rows(tx: Transaction, talk: Talk, first: Position) -> list[tuple[object, ...]]:
        sql = """
            SELECT s.sender, s.state_key, s.replaces, s.back, s.rejected, s.soft_failed, s.redacted_by, s.unread,
                s.position = e.nid, s.state_at = r.state_at, s.branch = r.branch, t.txn_id, t.device
            FROM event_status s JOIN events e ON e.nid = s.event JOIN rooms r ON r.nid = s.room
            LEFT JOIN transaction_ids t ON t.event = s.event
            WHERE s.room = :room AND s.position > :first ORDER BY s.position
        """
        return [
            (*map(bool, row[8:11]), *row[:5], bool(row[5]), *row[6:8], *row[11:])
            for row in tx.rows(sql, room=talk.nid, first=first)
        ]

    left, right = await one.row(), await other.row()
    found = await database.read(rows, one, left.current.position)
    assert len(found) == 3
    assert found == await database.read(rows, other, right.current.position)
    assert (left.unread, left.joined, len(left.extremities)) == (right.unread, right.joined, len(right.extremities))
    assert len(left.extremities) == 2


async def test_state_replaces_state(database: Database) -> None:
    talk = await new_room(database)
    first = await talk.set("m.room.name", name="one")
    second = await talk.set("m.room.name", name="two")
    row = await talk.row()
    key = (await database.read(interning.find_state_keys, [first.key]))[first.key]
    one, two = await talk.number(first), await talk.number(second)
    assert (await database.read(room_state.get, row.current, [key]))[key] == two
    entry = await database.read(timeline.status, two)
    assert entry is not None
    assert (entry.replaces, entry.state_key) == (one, key)
    assert (await database.read(room_state.get, entry.before, [key]))[key] == one


async def test_state_that_comes_twice_in_one_commit_ends_as_the_last(database: Database) -> None:
    talk = await new_room(database)
    names = [event(talk.room_id, "m.room.name", ALICE, {"name": str(n)}, "") for n in range(3)]
    await talk.append(*names)
    numbers = [await talk.number(name) for name in names]
    entries = await database.read(timeline.statuses, numbers)
    assert [entry.replaces for entry in entries] == [None, *numbers[:2]]
    state = await database.read(room_state.at, (await talk.row()).current)
    assert numbers[2] in state.values()
    for entry, before in zip(entries[1:], numbers, strict=False):
        assert before in (await database.read(room_state.at, entry.before)).values()


async def test_members_are_counted_through_all_changes(database: Database) -> None:
    talk = await new_room(database)
    for who, membership_, joined, invited in (
        (BOB, "invite", 1, 1),
        (CARL, "join", 2, 1),
        (BOB, "join", 3, 0),
        (BOB, "join", 3, 0),  # a new display name, say
        (CARL, "leave", 2, 0),
        (CARL, "ban", 2, 0),
        (BOB, "ban", 1, 0),
        (CARL, "leave", 1, 0),
    ):
        await talk.move(who, membership_)
        row = await talk.row()
        assert (row.joined, row.invited) == (joined, invited), (who, membership_)
    at = row.latest
    assert await database.read(membership.members, talk.nid, "join", at) == [await user(database, ALICE)]


async def test_who_leaves_stops_typing(database: Database) -> None:
    talk = await new_room(database)
    await talk.move(BOB, "join")
    bob = await user(database, BOB)
    assert await database.write(typing.put, talk.nid, bob, 30_000, 0)
    before = (await talk.row()).latest
    await talk.move(BOB, "leave")
    assert await database.read(typing.typing, [talk.nid], 1) == {}
    assert await database.read(typing.changed, [talk.nid], before) == {talk.nid}


async def test_who_saw_another_state_has_to_prepare_again(database: Database) -> None:
    talk = await new_room(database)
    seen = (await talk.row()).current
    await talk.set("m.room.name", name="moved")
    before = await sizes(database)
    sender = await user(database, ALICE)
    with pytest.raises(RoomMoved):
        await database.write(append.append, talk.nid, seen, [NewEvent(event(talk.room_id))])
    with pytest.raises(RoomMoved):
        await database.write(append.message, talk.nid, seen, NewEvent(event(talk.room_id)), sender)
    with pytest.raises(RoomMoved):
        await database.write(
            append.append, talk.nid, StateAt(seen.branch, Position(1)), [NewEvent(event(talk.room_id))]
        )
    assert await sizes(database) == before


async def test_an_event_that_is_there_leaves_nothing_of_the_others(database: Database) -> None:
    talk = await new_room(database)
    said = await talk.say()
    before, row = await sizes(database), await talk.row()
    name = event(talk.room_id, "m.room.name", ALICE, {}, "")
    with pytest.raises(Duplicate):
        await talk.append(name, NewEvent(said, mentions=[BOB], notifies=True), member(talk.room_id, CARL, "join"))
    sender = await user(database, ALICE)
    with pytest.raises(Duplicate):
        await database.write(append.message, talk.nid, row.current, NewEvent(said), sender)
    assert await sizes(database) == before
    assert await talk.row() == row
    assert await database.read(events.find, [name.event_id]) == {}
    await talk.append(name)
    await talk.say()


async def test_a_transaction_id_makes_one_event(database: Database) -> None:
    talk, device = await new_room(database), await device_of(database)
    called = TransactionId(device, "send", "1")
    first = event(talk.room_id)
    await talk.append(NewEvent(first, transaction=called))
    before, sender = await sizes(database), await user(database, ALICE)
    again = NewEvent(event(talk.room_id), transaction=called)
    with pytest.raises(Duplicate):
        await talk.append(again)
    with pytest.raises(Duplicate):
        await database.write(append.message, talk.nid, (await talk.row()).current, again, sender)
    assert await sizes(database) == before
    assert await database.read(transactions.find, called) == first.event_id
    nid = await talk.number(first)
    assert await database.read(transactions.of_events, device, [nid]) == {nid: "1"}


async def test_a_redaction_marks_its_target_once(database: Database) -> None:
    talk, elsewhere = await new_room(database), await new_room(database)
    said = await talk.say()
    target = await talk.number(said)
    first = event(talk.room_id, "m.room.redaction", content={"redacts": said.event_id})
    await elsewhere.append(NewEvent(event(elsewhere.room_id), redacts=target))
    assert (await database.read(timeline.statuses, [target]))[0].redacted_by is None
    await talk.append(NewEvent(first, redacts=target))
    await talk.append(NewEvent(event(talk.room_id), redacts=target))
    by = (await database.read(timeline.statuses, [target]))[0].redacted_by
    assert by == await talk.number(first)
    assert (await database.read(events.effective, [target]))[target].content == {}
    assert (await database.read(events.load, [target]))[target].content == said.content


async def test_what_is_unread_is_counted_from_what_was_read(database: Database) -> None:
    talk = await new_room(database)
    for who in (BOB, CARL):
        await talk.move(who, "join")
    bob, carl = await user(database, BOB), await user(database, CARL)
    await talk.say(notifies=True)
    await talk.say(notifies=True, mentions=[BOB])
    await talk.say(mentions=[CARL])
    await talk.say(notifies=True, mentions_all=True)
    row = await talk.row()
    readers: dict[unread.Reader, set[UserNid]] = {(talk.nid, bob): set(), (talk.nid, carl): set()}
    found = await database.read(unread.counts, readers, {talk.nid: row}, row.latest)
    assert found == dict(zip(readers, [Counts(Count(3, 2), {}), Counts(Count(4, 2), {})], strict=True))
    await talk.say(BOB, notifies=True)
    row = await talk.row()
    late = row.latest
    await talk.say(notifies=True, mentions_all=True)
    for then_or_now in (row, await talk.row()):
        found = await database.read(unread.counts, readers, {talk.nid: then_or_now}, late)
        assert found == dict(zip(readers, [Counts(Count(0, 0), {}), Counts(Count(5, 2), {})], strict=True))


async def test_a_job_is_there_when_its_event_is(database: Database) -> None:
    talk = await new_room(database)
    closing = event(talk.room_id, "m.room.guest_access", ALICE, {}, "")
    before = await talk.row()
    await talk.append(NewEvent(closing, job=JobRequest("guests", talk.room_id)))
    late = NewEvent(member(talk.room_id, BOB, "join"), job=JobRequest("late", "never"))
    with pytest.raises(RoomMoved):
        await database.write(append.append, talk.nid, before.current, [late])
    assert not await database.read(jobs.is_due, ["late"], 1)
    job = await database.write(jobs.take, ["guests"], Lease("somebody", 1, 2))
    assert job is not None
    assert job.key == talk.room_id


async def test_edges_of_the_auth_chain_are_kept(database: Database) -> None:
    talk = await new_room(database)
    join = (await talk.row()).extremities[0][0]
    name = event(talk.room_id, "m.room.name", ALICE, {}, "", auth=[join])
    topic = event(talk.room_id, "m.room.topic", ALICE, {}, "", auth=[name.event_id, join])
    await talk.append(name, topic)
    sql = "SELECT auth FROM auth_edges WHERE event = :event ORDER BY auth"
    nid = await talk.number(topic)
    found = await database.read(lambda tx: [auth for (auth,) in tx.rows(sql, event=nid)])
    assert found == [(await database.read(events.find, [join]))[join], await talk.number(name)]


async def test_messages_of_many_at_once_are_all_there_in_one_order(database: Database) -> None:
    talk = await new_room(database)
    seen, sender = (await talk.row()).current, await user(database, ALICE)
    said = [event(talk.room_id, content={"body": "x"}) for _ in range(40)]
    ways = [
        database.write(append.message, talk.nid, seen, NewEvent(one, notifies=True), sender)
        if number % 2
        else database.write(append.append, talk.nid, seen, [NewEvent(one, notifies=True)])
        for number, one in enumerate(said)
    ]
    await asyncio.gather(*ways)
    row = await talk.row()
    assert row.unread == 40
    assert {end for end, _ in row.extremities} >= {one.event_id for one in said}
    entries = await database.read(
        timeline.after, talk.nid, timeline.Place(seen.position), timeline.Place(row.latest), 100
    )
    assert [entry.unread for entry in entries] == list(range(1, 41))
    assert {entry.event for entry in entries} == {await talk.number(one) for one in said}


async def test_of_those_who_change_the_state_at_once_one_wins(database: Database) -> None:
    talk = await new_room(database)
    seen = (await talk.row()).current
    tries = [
        database.write(
            append.append, talk.nid, seen, [NewEvent(event(talk.room_id, "m.room.name", ALICE, {"n": n}, ""))]
        )
        for n in range(10)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, rooms.Room) for result in results) == 1
    assert sum(isinstance(result, RoomMoved) for result in results) == 9


@pytest.mark.parametrize("first", ["message", "append"])
async def test_a_message_that_waited_for_another_goes_on_with_the_room_as_it_is_then(
    postgres: Databases, first: str
) -> None:
    """PostgreSQL: the room's row is held by a message of another process; the one that waits takes what that wrote."""
    with postgres.database(schema_template(postgres)) as url:
        async with running(Postgres(url, Caches(), 3)) as one, running(Postgres(url, Caches(), 3)) as other:
            talk = await new_room(one)
            row, sender = await talk.row(), await user(one, ALICE)
            written, go_on = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()
            earlier = event(talk.room_id, prev=[row.extremities[0][0]])
            later = event(talk.room_id, prev=[row.extremities[0][0]])

            def stay(tx: Transaction) -> None:
                append.append(tx, talk.nid, row.current, [NewEvent(earlier, notifies=True)])
                loop.call_soon_threadsafe(written.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)

            staying = asyncio.create_task(one.write(stay))
            await written.wait()
            new = NewEvent(later, notifies=True)
            if first == "message":
                waiting = asyncio.create_task(other.write(append.message, talk.nid, row.current, new, sender))
            else:
                waiting = asyncio.create_task(other.write(append.append, talk.nid, row.current, [new]))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            go_on.set()
            await staying
            after = await waiting
            assert after == await talk.row()
            assert after.unread == row.unread + 2
            assert [end for end, _ in after.extremities] == [earlier.event_id, later.event_id]
            entries = await one.read(timeline.statuses, [await talk.number(earlier), await talk.number(later)])
            assert [entry.event for entry in entries] == [await talk.number(earlier), await talk.number(later)]
            assert entries[1].unread == 2


async def test_a_message_that_waited_for_a_change_of_state_has_to_prepare_again(postgres: Databases) -> None:
    with postgres.database(schema_template(postgres)) as url:
        async with running(Postgres(url, Caches(), 3)) as database:
            talk = await new_room(database)
            row, sender = await talk.row(), await user(database, ALICE)
            with psycopg.connect(url) as other:
                other.execute("UPDATE rooms SET state_at = state_at + 1 WHERE nid = %s", [talk.nid])
                new = NewEvent(event(talk.room_id))
                waiting = asyncio.create_task(database.write(append.message, talk.nid, row.current, new, sender))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                other.commit()
                with pytest.raises(RoomMoved):
                    await waiting
            assert await database.read(events.find, [new.event.event_id]) == {}


async def test_a_new_room_is_there_whole(database: Database) -> None:
    talk = await new_room(database)
    row = await talk.row()
    state = await database.read(room_state.at, row.current)
    assert len(state) == 2
    assert (row.joined, len(row.extremities)) == (1, 1)
    found = await database.read(rooms.find, talk.room_id)
    assert found is not None
    assert (found.nid, found.room_id) == (talk.nid, talk.room_id)
    with pytest.raises(Duplicate):
        await database.write(rooms.create, talk.room_id, found.version)


async def test_the_event_cache_learns_nothing_of_what_failed(database: Database) -> None:
    talk = await new_room(database)
    said = await talk.say()
    other = event(talk.room_id, MEMBER, CARL, {"membership": "join"}, CARL)
    with pytest.raises(Duplicate):
        await talk.append(other, said)
    next_one = await talk.say()
    nid = await talk.number(next_one)
    assert (await database.read(events.load, [nid]))[nid].event_id == next_one.event_id
    assert await database.read(events.find, [other.event_id]) == {}
    assert await database.read(events.load, [EventNid(nid + 1)]) == {}
