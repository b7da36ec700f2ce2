"""What lies behind an event is found without a statement for each step."""

from oriz_matrix.protocol.events import Event
from oriz_matrix.services.federation_in import ends
from oriz_matrix.storage import arrivals, followed
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from tests.storage.talk import Talk, event, new_room

STATEMENTS = 4
"""The room, the events, which of them are in memory, what is followed."""


async def _chain(talk: Talk, length: int) -> list[Event]:
    """Events outside the timeline that stand one upon the other, as the joins of a large room do."""
    chain = [event(talk.room_id)]
    for _ in range(length - 1):
        chain.append(event(talk.room_id, prev=[chain[-1].event_id]))
    await talk.db.write(arrivals.keep, talk.nid, chain, {})
    return chain


async def test_a_state_is_followed_at_once(database: Database) -> None:
    talk = await new_room(database)
    chain = await _chain(talk, 300)
    everything = {one.event_id for one in chain}

    def follow(tx: Transaction) -> int:
        ends.follow(tx, talk.nid, [chain[-1].event_id], near=everything)
        return tx.statements

    assert await database.write(follow) <= STATEMENTS
    assert await database.read(followed.among, talk.nid, everything) == everything


async def test_what_is_not_near_is_followed_too(database: Database) -> None:
    talk = await new_room(database)
    chain = await _chain(talk, 30)
    await database.write(lambda tx: ends.follow(tx, talk.nid, [chain[-1].event_id], near=[chain[20].event_id]))
    everything = {one.event_id for one in chain}
    assert await database.read(followed.among, talk.nid, everything) == everything
