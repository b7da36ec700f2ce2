"""What is forgotten of other servers: answers to old transactions, and most of what waits for who is silent."""

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.storage import backlog, destinations, incoming, outbox
from oriz_matrix.storage.backlog import Backlog
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.destinations import Destination
from oriz_matrix.storage.outbox import Edu
from oriz_matrix.storage.transaction import Transaction
from tests.storage.talk import Talk, new_room

HOUR_MS = 3_600_000
NOW_MS = 1_000 * HOUR_MS
THERE, SILENT, LATELY = (ServerName(f"{name}.example") for name in ("there", "silent", "lately"))


async def test_old_transactions_are_forgotten(database: Database) -> None:
    for name, taken_at in (("old", 1_000), ("new", 2_000)):
        await database.write(incoming.take, THERE, name, b"{}", taken_at)
    await database.write(incoming.forget_transactions, 2_000)
    assert await database.read(incoming.answer, THERE, "old") is None
    assert await database.read(incoming.answer, THERE, "new") == b"{}"


def _wait(tx: Transaction, talk: Talk, events: list[int]) -> None:
    """All events of a room wait for three servers, two of which do not answer: one for long."""
    for server in (THERE, SILENT, LATELY):
        destinations.take(tx, server, "me", NOW_MS, NOW_MS)
        for nid in events:
            tx.run("INSERT INTO outbox (destination, event) VALUES (:server, :nid)", server=server, nid=nid)
    destinations.failed(tx, Destination(SILENT, NOW_MS - 2 * HOUR_MS, 5, NOW_MS, "txn", b"{}"))
    destinations.failed(tx, Destination(LATELY, NOW_MS - 1, 1, NOW_MS, "txn", b"{}"))
    outbox.add_edus(tx, [SILENT], [Edu("m.typing", "typing", {})])


async def _events(database: Database, server: ServerName) -> list[int]:
    return [nid for nid, _ in (await database.read(destinations.waiting, server, 100, 100)).events]


async def test_what_waits_for_a_silent_server_is_reduced(database: Database) -> None:
    """To the newest event of each room; messages that are no events stay, and so does all for others."""
    first, second = await new_room(database), await new_room(database)
    numbers: list[int] = []
    for talk in (first, second, first):
        await talk.say()
        numbers.append((await talk.row()).latest)
    await database.write(_wait, first, numbers)
    assert await database.read(backlog.count) == Backlog(0, 9, 1, 2)
    await database.write(destinations.collapse_silent, NOW_MS - HOUR_MS, NOW_MS)
    assert await _events(database, SILENT) == numbers[1:]
    assert await _events(database, THERE) == await _events(database, LATELY) == numbers
    assert await database.read(backlog.count) == Backlog(0, 8, 1, 2)


async def test_all_silent_servers_get_their_turn(database: Database) -> None:
    """A few at a time, those first whose turn was longest ago."""
    talk = await new_room(database)
    await talk.say()
    await talk.say()
    events = [(await talk.row()).latest - 1, (await talk.row()).latest]
    silent = [ServerName(f"{number}.example") for number in range(destinations.MOST_COLLAPSED + 5)]

    def wait(tx: Transaction) -> None:
        for server in silent:
            destinations.take(tx, server, "me", 0, 0)
            destinations.failed(tx, Destination(server, 1, 5, NOW_MS))
            for nid in events:
                tx.run("INSERT INTO outbox (destination, event) VALUES (:server, :nid)", server=server, nid=nid)

    await database.write(wait)
    for turn in range(2):
        await database.write(destinations.collapse_silent, NOW_MS, NOW_MS + turn)
    assert [await _events(database, server) for server in silent] == [events[1:]] * len(silent)
