"""Writers for the stress test of positions: processes that write facts as fast as they can, and stall at random.

It stalls before it draws, between what the drawing does (PostgreSQL: the mark is read, the lock is taken, the number is
drawn), and before it commits; it rolls back one time in ten; it may be killed at any moment.
"""

import asyncio
import random
import time
from pathlib import Path

from oriz_matrix.storage import append, interning, notices, rooms
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect, postgresql
from oriz_matrix.storage.dialects.postgresql import Postgres
from oriz_matrix.storage.dialects.sqlite import Sqlite
from oriz_matrix.storage.errors import RoomMoved
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid
from tests.storage.talk import ALICE, event

THREADS = 3
STALL = """
    CREATE FUNCTION stall() RETURNS BIGINT VOLATILE LANGUAGE plpgsql AS
    $$ BEGIN IF random() < 0.3 THEN PERFORM pg_sleep(random() * 0.02); END IF; RETURN 0; END $$
"""
"""Makes the function of PostgreSQL that waits a moment and is 0."""


class ChangedItsMind(Exception):
    """Rolls a writer's transaction back."""


def open_dialect(engine: str, target: str) -> Dialect:
    """The database as a process of its own sees it; `target` is a URL, or the path of a file."""
    if engine == "sqlite":
        return Sqlite(Path(target), Caches(), THREADS)
    return Postgres(target, Caches(), THREADS)


def write(engine: str, target: str, seed: int, seconds: float) -> None:
    """What a writing process does until its time is over."""
    if engine == "postgres" and seed % 2:
        _stall_inside()
    asyncio.run(_write(open_dialect(engine, target), random.Random(seed), time.monotonic() + seconds))


def _stall_inside() -> None:
    """Puts stalls between the steps of drawing."""
    postgresql.DRAW = postgresql.DRAW.replace("| last_value", "| last_value + stall()").replace(
        "SELECT nextval", "SELECT stall() + nextval"
    )
    text = postgresql.MESSAGE.replace(
        "(SELECT last_value FROM positions)", "(SELECT last_value FROM positions) + stall()"
    )
    text = text.replace("SELECT nextval", "SELECT stall() + nextval").replace(
        "SELECT position, CAST(:event_id", "SELECT position + stall(), CAST(:event_id"
    )
    assert (postgresql.DRAW.count("stall()"), text.count("stall()")) == (2, 3), "the statements have changed"
    postgresql.PostgresConnection.message_statement = text


async def _write(dialect: Dialect, source: random.Random, end: float) -> None:
    database = Database(dialect)
    database.start()
    known = await database.read(_rooms)
    sender = await database.write(interning.user, ALICE)

    async def one_after_the_other(own: random.Random) -> None:
        while time.monotonic() < end:
            if own.random() < 0.3:
                room = own.choice(known)
                seen = (await database.read(rooms.get, [room]))[room].current
                said = event((await database.read(rooms.name, room)).room_id, event_id=f"${own.getrandbits(64):x}")
                try:
                    await database.write(append.message, room, seen, NewEvent(said), sender)
                except RoomMoved:
                    continue
            else:
                try:
                    await database.write(_leave, own.getrandbits(32))
                except ChangedItsMind:
                    continue

    await asyncio.gather(*(one_after_the_other(random.Random(source.random())) for _ in range(3)))
    await database.stop()


def _rooms(tx: Transaction) -> list[RoomNid]:
    return [nid for (nid,) in tx.rows("SELECT nid FROM rooms ORDER BY nid")]


def _leave(tx: Transaction, seed: int) -> None:
    """Leaves one to three notices at positions of their own."""
    own = random.Random(seed)
    for _ in range(own.choice([1, 1, 3])):
        _stall(own)
        notices.leave(tx, f"test {seed}")
    _stall(own)
    if own.random() < 0.1:
        raise ChangedItsMind


def _stall(own: random.Random) -> None:
    if own.random() < 0.2:
        time.sleep(own.random() * 0.005)
