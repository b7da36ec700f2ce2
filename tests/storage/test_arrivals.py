"""Events of other servers that are kept outside the timeline."""

from oriz_matrix.protocol.events import Event
from oriz_matrix.storage import arrivals, events
from oriz_matrix.storage.arrivals import Stored
from oriz_matrix.storage.database import Database
from tests.storage.talk import BOB, Talk, event, member, new_room


async def find(talk: Talk, *wanted: Event) -> list[Stored]:
    """What is known of events."""
    found = await talk.db.read(arrivals.find, [one.event_id for one in wanted])
    return [found[one.event_id] for one in wanted]


async def test_outliers_are_acquitted(database: Database) -> None:
    """Those that are named, and nothing that has a place."""
    talk = await new_room(database)
    first, second = (member(talk.room_id, BOB, "join") for _ in range(2))
    refusals = {first.event_id: "no", second.event_id: "no"}
    await database.write(arrivals.keep, talk.nid, [first, second], refusals)
    said = event(talk.room_id)
    await database.write(arrivals.keep, talk.nid, [said], {said.event_id: "no"})
    before = (await talk.row()).current
    await database.write(lambda tx: arrivals.branch_off(tx, talk.nid, said, before, rejected="no"))
    await database.write(arrivals.acquit, [first.event_id, said.event_id])
    assert [one.rejected for one in await find(talk, first, second, said)] == [None, "no", "no"]


async def test_a_body_is_replaced(database: Database) -> None:
    """In the table and in memory."""
    talk = await new_room(database)
    said = event(talk.room_id, content={})
    await database.write(arrivals.keep, talk.nid, [said], {})
    [stored] = await find(talk, said)
    whole = event(talk.room_id, content={"body": "tea"}, event_id=said.event_id)
    await database.write(events.replace, stored.number, whole)
    for _ in range(2):
        assert (await database.read(events.load, [stored.number]))[stored.number].content == {"body": "tea"}
        database.caches.events.drop(stored.number)
