"""What the frequent operations may cost, counted, not timed: statements and commits on each engine, bytes of answers.

Counted is what the engines themselves are sent, whoever sends it. The budgets are what is needed today: more is a
regression, or is worth a new figure here, with its reason. Each operation is tried several times and the cheapest
counts, because recent changes and jobs are looked for once a second besides.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from oriz_matrix.base.config.model import Config
from tests.support.homes import either_config
from tests.support.homeserver import Home, User

__all__ = ["either_config"]

TRIES = 6
FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
"""How statements begin that only set the bounds of transactions, or a connection up."""
CHANGES = ("INSERT ", "UPDATE ", "DELETE ")
HELLO = {"msgtype": "m.text", "body": "hello"}


class Budget(NamedTuple):
    """The most that an operation may send: statements without BEGIN and COMMIT, and commits of something written."""

    statements: int
    commits: int


Budgets = dict[str, Budget]
"""By engine: "sqlite" and "postgres". A statement that is run for several rows counts once for each."""

MESSAGE: Budgets = {
    # The room's row; the position; the event, its place in the timeline, its transaction id; the room's row again.
    "sqlite": Budget(6, 1),
    # All of that in one statement, which commits by itself.
    "postgres": Budget(1, 1),
}
CREATE_ROOM: Budgets = {
    # Of a private room with a name, which has 7 events: the account and the profile; 5 for the empty room; the
    # position; 7 events, 7 places in the timeline, 9 edges to the events that authorize them, 7 entries of state; the
    # membership; the room's row.
    "sqlite": Budget(40, 1),
    "postgres": Budget(40, 1),
}
JOIN: Budgets = {
    # Of a public room, by somebody who was never there. Read first, in one go: the room's row; the number of their
    # state key, of which there is none; the state and its redactions; the profile (5). Then in one transaction the
    # room's row, the new state key, the old state and membership (4), the position, and 7 rows: the event, its place,
    # two edges, the state, the membership, the room.
    "sqlite": Budget(17, 1),
    "postgres": Budget(17, 1),
}
NOTHING_NEW: Budgets = {
    # The settled position.
    "sqlite": Budget(1, 0),
    "postgres": Budget(1, 0),
}
WOKEN: Budgets = {
    # A message, and the long-poll that it wakes: the settled position before it waits, and then with the changes up to
    # there (2); the room's row and the timeline (2), but no state where none changed; the counts of unread (2).
    "sqlite": Budget(MESSAGE["sqlite"].statements + 6, 1),
    "postgres": Budget(MESSAGE["postgres"].statements + 6, 1),
}
MORE_WAITERS = 1
"""What five more who wait in the same room may add: one look at the settled position, when they come."""

PAGE: Budgets = {
    # A hundred messages: the settled position, the room's row; the membership of now and its course, the course of
    # history visibility; the timeline; which of the events were redacted. The events themselves are in memory.
    "sqlite": Budget(7, 0),
    "postgres": Budget(7, 0),
}
FIRST_SYNC: Budgets = {
    # With one room that has a name: the settled position, the room's row; what may be seen (2), the timeline and its
    # redactions (2); the state, and what of it the timeline tells (2); whether it has a name, for the summary (2); the
    # places of the state events, the transaction ids (2); push rules, receipts, who types, account data (4); the counts
    # of unread (2).
    "sqlite": Budget(17, 0),
    "postgres": Budget(17, 0),
}
BYTES_OF_ONE_MESSAGE = 650
"""Of a sync: 210 are the event, the rest is the room with its sections and counts, and the tokens."""
BYTES_OF_A_PAGE = 27_700
"""Of a hundred such messages: here each names its room as well; `age` may have some digits more on a slow day."""


class Spent(NamedTuple):
    """What an operation has sent."""

    statements: list[str]
    commits: int


class Meter:
    """Sits between the server and its engine, and counts."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._statements: list[str] = []
        self._commits = 0
        self._reading: set[int] = set()
        """The PostgreSQL connections whose transaction only reads."""

    def sqlite(self, sql: str) -> None:
        """SQLite runs a statement, perhaps one of many that one call makes."""
        self._note(sql)
        self._commits += sql == "COMMIT"  # who only reads rolls back

    def postgres(self, connection: "psycopg.Connection[Any]", sql: str) -> None:
        """A statement goes to PostgreSQL."""
        self._note(sql)
        if sql.startswith("BEGIN"):
            (self._reading.add if "READ ONLY" in sql else self._reading.discard)(id(connection))
        elif sql == "COMMIT":
            self._commits += id(connection) not in self._reading
        elif connection.info.transaction_status is TransactionStatus.IDLE:
            self._commits += any(word in sql for word in CHANGES)  # it commits by itself

    async def holds(self, budgets: Budgets, operation: Callable[[int], Awaitable[Any]], more: int = 0) -> None:
        """Tries an operation, which is told how many times it ran before; `more` statements are allowed besides."""
        spent = []
        for number in range(TRIES):
            self._statements, self._commits = [], 0
            await operation(number)
            spent.append(Spent(self._statements, self._commits))
        least, budget = min(spent, key=lambda each: (len(each.statements), each.commits)), budgets[self._engine]
        assert len(least.statements) <= budget.statements + more, "\n".join(least.statements)
        assert least.commits <= budget.commits, "\n".join(least.statements)

    def _note(self, sql: str) -> None:
        if not sql.startswith(FRAME):
            self._statements.append(" ".join(sql.split()))


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch, either_config: Config) -> Meter:
    """What is sent to the engine of this test."""
    meter = Meter("sqlite" if either_config.database.url is None else "postgres")
    connect, execute, execute_many = sqlite3.connect, psycopg.Cursor.execute, psycopg.Cursor.executemany

    def connect_metered(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(meter.sqlite)
        return connection

    def execute_metered(self: "psycopg.Cursor[Any]", query: Any, *args: Any, **kwargs: Any) -> Any:
        meter.postgres(self.connection, query.decode() if isinstance(query, bytes) else str(query))
        return execute(self, query, *args, **kwargs)

    def execute_many_metered(self: "psycopg.Cursor[Any]", query: Any, rows: Any, **kwargs: Any) -> None:
        rows = list(rows)
        for _ in rows:
            meter.postgres(self.connection, str(query))
        execute_many(self, query, rows, **kwargs)

    monkeypatch.setattr(sqlite3, "connect", connect_metered)
    monkeypatch.setattr(psycopg.Cursor, "execute", execute_metered)
    monkeypatch.setattr(psycopg.Cursor, "executemany", execute_many_metered)
    return meter


@pytest.fixture
async def home(meter: Meter, either_config: Config) -> AsyncIterator[Home]:
    """A homeserver on each engine whose database is metered."""
    async with Home(either_config) as running:
        yield running


@pytest.fixture
async def people(home: Home) -> list[User]:
    """Alice and as many others as there are tries, all of them known to the server."""
    return await home.users("alice", *(f"user{number}" for number in range(TRIES)))


@pytest.fixture
async def room(people: list[User]) -> str:
    """A public room of Alice."""
    return await people[0].create_room(preset="public_chat", name="Kitchen")


async def test_a_message(people: list[User], room: str, meter: Meter) -> None:
    await meter.holds(MESSAGE, lambda _: people[0].say(room, "hello"))


async def test_a_new_room(people: list[User], meter: Meter) -> None:
    await meter.holds(CREATE_ROOM, lambda _: people[0].create_room(preset="private_chat", name="Kitchen"))


async def test_a_join(people: list[User], room: str, meter: Meter) -> None:
    for user in people:
        await user.sync()
    await meter.holds(JOIN, lambda number: people[1 + number].join(room))


async def test_a_sync_with_nothing_new(people: list[User], room: str, meter: Meter) -> None:
    await people[0].sync()
    await meter.holds(NOTHING_NEW, lambda _: people[0].sync())
    await meter.holds(NOTHING_NEW, lambda _: people[0].sync(timeout=50))


@pytest.mark.parametrize("waiters", [1, 6])
async def test_a_message_and_the_syncs_that_it_wakes(people: list[User], room: str, meter: Meter, waiters: int) -> None:
    alice, waiting = people[0], people[1 : 1 + waiters]
    for user in waiting:
        await user.join(room)
    for user in waiting:
        await user.sync()

    async def say_and_hear(_: int) -> None:
        async with AsyncExitStack() as stack:
            syncs = [await stack.enter_async_context(user.waiting()) for user in waiting]
            await alice.say(room, "hello")
        assert [sync.result().joined(room).texts for sync in syncs] == [["hello"]] * waiters

    await meter.holds(WOKEN, say_and_hear, more=MORE_WAITERS if waiters > 1 else 0)


async def test_a_page_and_a_first_sync(people: list[User], room: str, meter: Meter) -> None:
    alice, bob = people[:2]
    await bob.join(room)
    for _ in range(100):
        await alice.say(room, "hello")
    await meter.holds(PAGE, lambda _: bob.messages(room, limit=100))
    await meter.holds(FIRST_SYNC, lambda _: bob.sync_anew())


async def test_bytes(home: Home, people: list[User], room: str) -> None:
    alice, bob = people[:2]
    await bob.join(room)
    since = (await bob.sync()).next_batch
    await alice.send(room, "m.room.message", HELLO)
    assert await _bytes(home, bob, f"/v3/sync?timeout=0&since={since}") <= BYTES_OF_ONE_MESSAGE
    for _ in range(99):
        await alice.send(room, "m.room.message", HELLO)
    page = await bob.messages(room, limit=100)
    assert len(page["chunk"]) == 100
    assert await _bytes(home, bob, f"/v3/rooms/{room}/messages?dir=b&limit=100") <= BYTES_OF_A_PAGE


async def _bytes(home: Home, user: User, path: str) -> int:
    """The size of an answer, uncompressed."""
    headers = {"Authorization": f"Bearer {user.token}", "Accept-Encoding": "identity"}
    async with home.server.http.get(f"/_matrix/client{path}", headers=headers) as response:
        assert response.status == 200
        return len(await response.read())
