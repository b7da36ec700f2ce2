"""Positions: who follows the settled position misses nothing and sees nothing twice, and no position comes twice.

The first test is the stress test that `storage/positions.py` leans on; ORIZ_SOAK_MINUTES makes it long.
"""

import asyncio
import multiprocessing
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from oriz_matrix.storage import notices, positions, recent
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.dialects.postgresql import Postgres, PostgresConnection
from oriz_matrix.storage.dialects.sqlite import Sqlite
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position
from tests.storage import stress
from tests.storage.talk import new_room, settled
from tests.support import soak
from tests.support.databases import Databases
from tests.support.stores import ENGINES, new_dialect, running, schema_template

WRITERS = {"sqlite": 2, "postgres": 5}
NORMAL_SECONDS = 6.0
SPAWN = multiprocessing.get_context("spawn")
T0 = 1_800_000_000_000
"""A moment in milliseconds, later than all tests of today."""


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[tuple[str, str]]:
    """An engine and the path or URL of an empty database."""
    if request.param == "sqlite":
        with new_dialect("sqlite", tmp_path, postgres):
            yield "sqlite", str(tmp_path / "oriz.db")
        return
    with postgres.database(schema_template(postgres)) as url:
        with psycopg.connect(url) as connection:
            connection.execute(stress.STALL)
        yield "postgres", url


class Follower:
    """Reads what is new up to the settled position, again and again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.seen: list[Position] = []
        self.at = Position(0)

    async def read(self) -> None:
        upto, changes = await self._database.read_settled(recent.changes, self.at)
        self.at = max(self.at, upto)
        self.seen += [change.position for change in changes if change.kind in ("event", "notice")]

    async def follow(self, end: float, source: random.Random) -> None:
        while time.monotonic() < end:
            await self.read()
            await asyncio.sleep(source.random() * 0.01)


@pytest.mark.soak
async def test_followers_miss_nothing_and_see_nothing_twice(target: tuple[str, str]) -> None:
    engine, place = target
    source = soak.random_source()
    seconds = soak.seconds(NORMAL_SECONDS)
    async with running(stress.open_dialect(engine, place)) as database:
        for _ in range(3):
            await new_room(database)
        followers = [Follower(database) for _ in range(2)]
        end = time.monotonic() + seconds
        await asyncio.gather(
            asyncio.to_thread(_drive, engine, place, source, seconds),
            *(follower.follow(end, random.Random(source.random())) for follower in followers),
        )
        in_time = [len(follower.seen) for follower in followers]
        truth = await database.read(_everything)
        for follower in followers:
            await follower.read()
            assert follower.seen == truth
    print(f"{len(truth)} facts")
    assert min(in_time) > len(truth) * 0.1, "the settled position stood still"
    assert len(truth) > 100


def _drive(engine: str, place: str, source: random.Random, seconds: float) -> None:
    """Keeps writers at work, and kills one now and then."""
    end = time.monotonic() + seconds
    workers = [_begin(engine, place, source, seconds) for _ in range(WRITERS[engine])]
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.7 + source.random()))
        victim = source.randrange(len(workers))
        if left > 1.5:
            workers[victim].kill()
            workers[victim].join()
            workers[victim] = _begin(engine, place, source, end - time.monotonic())
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0


def _begin(engine: str, place: str, source: random.Random, seconds: float) -> SpawnProcess:
    worker = SPAWN.Process(target=stress.write, args=(engine, place, source.getrandbits(32), seconds))
    worker.start()
    return worker


def _everything(tx: Transaction) -> list[Position]:
    sql = "SELECT position FROM event_status UNION ALL SELECT position FROM notices ORDER BY 1"
    return [position for (position,) in tx.rows(sql)]


async def test_a_position_that_is_drawn_and_not_committed_holds_the_settled_one_back(postgres: Databases) -> None:
    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            before = await settled(database)
            drawn, go_on = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()

            def stay(tx: Transaction) -> Position:
                position = notices.leave(tx, "test")
                loop.call_soon_threadsafe(drawn.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
                return position

            staying = asyncio.create_task(database.write(stay))
            await drawn.wait()
            overtaking = await database.write(notices.leave, "test")
            assert await settled(database) == before
            go_on.set()
            position = await staying
            assert before < position < overtaking
            assert await settled(database) >= overtaking


async def test_the_settled_position_is_read_before_the_snapshot(
    postgres: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What commits just before the settled position is read must be in the snapshot that is taken after it."""
    with postgres.database(schema_template(postgres)) as url, psycopg.connect(url, autocommit=True) as other:
        plain = PostgresConnection.settled

        def settled_after_a_commit(self: PostgresConnection) -> Position:
            other.execute("INSERT INTO notices VALUES (nextval('positions'), 'late')")
            return plain(self)

        monkeypatch.setattr(PostgresConnection, "settled", settled_after_a_commit)
        async with running(Postgres(url, Caches(), 1)) as database:
            upto, changes = await database.read_settled(recent.changes, Position(0))
            assert [change.channel for change in changes if change.position <= upto] == ["late"]


async def test_the_conditions_that_the_proof_leans_on_hold(postgres: Databases) -> None:
    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            sql = "SELECT seqcache, seqincrement FROM pg_sequence WHERE seqrelid = CAST('positions' AS regclass)"
            assert await database.read(lambda tx: tx.rows(sql)) == [(1, 1)]
            assert await database.read(lambda tx: tx.value("SHOW idle_in_transaction_session_timeout")) == "1min"
            assert await database.read(lambda tx: tx.value("SELECT pg_is_in_recovery()")) is False


async def test_what_is_rolled_back_is_never_seen(database: Database) -> None:
    def leave_and_fail(tx: Transaction) -> None:
        notices.leave(tx, "no")
        raise stress.ChangedItsMind

    first = await database.write(notices.leave, "yes")
    with pytest.raises(stress.ChangedItsMind):
        await database.write(leave_and_fail)
    second = await database.write(notices.leave, "yes")
    upto, changes = await database.read_settled(recent.changes, Position(0))
    assert [(change.position, change.channel) for change in changes] == [(first, "yes"), (second, "yes")]
    assert upto >= second


def test_each_start_raises_positions_to_the_clock_and_never_lowers_them(dialect: Dialect) -> None:
    drawn = []
    for now_ms in (T0, T0 + 500, T0 - 3_600_000, T0 + 60_000, T0 - 86_400_000):
        with dialect.session() as session:
            positions.raise_to_clock(session, now_ms)
            with session.transaction():
                drawn += session.draw(2)
    assert drawn == sorted(set(drawn))
    assert drawn[0] == T0 * positions.PER_SECOND // 1000 + 1
    assert drawn[2] == drawn[1] + 1, "half a second later there is nothing to raise"
    assert drawn[4] == drawn[3] + 1, "nor when the clock was set back"


@contextmanager
def copy_of(dialect: Dialect, tmp_path: Path, postgres: Databases) -> Iterator[Dialect]:
    """A copy of the database as it is now, as from a backup."""
    if isinstance(dialect, Sqlite):
        shutil.copy(tmp_path / "oriz.db", tmp_path / "copy.db")
        yield Sqlite(tmp_path / "copy.db", Caches(), 1)
    else:
        assert isinstance(dialect, Postgres)
        with postgres.database(urlsplit(dialect._url).path.removeprefix("/")) as url:
            yield Postgres(url, Caches(), 1)


def draw(dialect: Dialect, count: int) -> list[Position]:
    """Draws and commits."""
    with dialect.session() as session, session.transaction():
        return session.draw(count)


def skipped(dialect: Dialect, asked: Sequence[int]) -> list[bool]:
    """Of which of these positions the database knows that they lie in a lost history."""
    with dialect.session() as session, session.transaction():
        ranges = positions.skipped(Transaction(session, Caches()))
    return [any(first <= position < last for first, last in ranges) for position in asked]


def test_a_restored_backup_gives_no_position_twice_and_knows_the_tokens_of_what_was_lost(
    dialect: Dialect, tmp_path: Path, postgres: Databases
) -> None:
    with dialect.session() as session:
        positions.raise_to_clock(session, T0)
    kept = draw(dialect, 10)
    with copy_of(dialect, tmp_path, postgres) as restored:
        lost = draw(dialect, 100)
        with restored.session() as session:
            positions.raise_to_clock(session, T0 + 60_000)
        new = draw(restored, 10)
        assert min(new) > max(lost)
        assert skipped(restored, [kept[0], kept[-1]]) == [False, False]
        assert all(skipped(restored, lost))
        assert not any(skipped(restored, new))
        assert skipped(restored, [new[0] - 1]) == [False], "the settled position just after the start"


def test_draws_that_were_lost_are_not_drawn_again_after_a_start(dialect: Dialect) -> None:
    with dialect.session() as session:
        positions.raise_to_clock(session, T0)
    lost: list[Position] = []

    def draw_and_fail() -> None:
        with dialect.session() as session, session.transaction():
            lost.extend(session.draw(50))
            raise stress.ChangedItsMind

    with pytest.raises(stress.ChangedItsMind):
        draw_and_fail()
    with dialect.session() as session:
        positions.raise_to_clock(session, T0 + 2_000)
    assert draw(dialect, 1)[0] > max(lost)


async def test_raising_while_others_draw_leads_nowhere_back(dialect: Dialect) -> None:
    """One process starts, with a clock that runs behind, while another is at work."""
    async with running(dialect) as database:
        drawing = asyncio.gather(*(database.write(lambda tx: tx.positions(3)) for _ in range(300)))

        def begin() -> None:
            for number in range(20):
                with dialect.session() as session:
                    with session.transaction():
                        [last] = session.draw(1)
                    with session.transaction():
                        session.raise_positions(last + number - 10)

        await asyncio.to_thread(begin)
        drawn = [position for some in await drawing for position in some]
        assert len(set(drawn)) == len(drawn)


async def test_names_and_positions_survive_a_process_that_is_killed_in_the_middle(target: tuple[str, str]) -> None:
    engine, place = target
    async with running(stress.open_dialect(engine, place)) as database:
        await new_room(database)
        worker = _begin(engine, place, random.Random(2), 30)
        try:
            await _until(database, lambda tx: tx.value("SELECT count(*) FROM notices") > 10)
        finally:
            worker.kill()
            worker.join()
        position = await database.write(notices.leave, "after")
        await _until(database, lambda tx: tx.value("SELECT count(*) FROM notices WHERE channel = 'after'") == 1)
        async with asyncio.timeout(10):  # nothing that it held holds anybody up
            while await settled(database) < position:  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.02)


async def _until(database: Database, question: Callable[[Transaction], bool]) -> None:
    """Waits until the database says so."""
    async with asyncio.timeout(20):
        while not await database.read(question):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.02)
