"""The database as services see it: answers after the commit, failures that stay alone, coming back without a hand."""

import asyncio
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import interning, migrate, notices, recent
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.dialects.postgresql import ROWS_TOGETHER, Postgres
from oriz_matrix.storage.dialects.sqlite import Sqlite
from oriz_matrix.storage.errors import DatabaseUnavailable, Duplicate
from oriz_matrix.storage.transaction import Row, Transaction, single
from oriz_matrix.storage.types import Position
from tests.storage.talk import ALICE, new_room
from tests.storage.test_interning import place_of
from tests.support.databases import Databases
from tests.support.postgres import Cluster, temporary_cluster
from tests.support.stores import new_dialect, running


class Failed(Exception):
    """What a storage function raises."""


def channels(tx: Transaction) -> list[str]:
    """The channels of all notices."""
    return [channel for (channel,) in tx.rows("SELECT channel FROM notices ORDER BY position")]


def channels_elsewhere(dialect: Dialect) -> list[str]:
    """The same, as another process sees them: what is committed."""
    engine, place = place_of(dialect)
    sql = "SELECT channel FROM notices ORDER BY position"
    if engine == "sqlite":
        with closing(sqlite3.connect(place)) as connection:
            return [channel for (channel,) in connection.execute(sql)]
    with psycopg.connect(place) as other:
        return [channel for (channel,) in other.execute(sql)]


def leave_and_fail(tx: Transaction, channel: str) -> None:
    notices.leave(tx, channel)
    raise Failed(channel)


async def test_an_error_rolls_back_and_comes_to_the_caller(database: Database) -> None:
    with pytest.raises(Failed, match="gone"):
        await database.write(leave_and_fail, "gone")
    with pytest.raises(Failed, match="gone"):
        await database.read(read_and_fail)
    assert await database.read(channels) == []


def read_and_fail(tx: Transaction) -> None:
    channels(tx)
    raise Failed("gone")


async def test_a_duplicate_is_known_inside_the_function_too(database: Database) -> None:
    def add_twice(tx: Transaction) -> str:
        tx.run("INSERT INTO schema_steps VALUES (8000, 'once')")
        try:
            tx.run("INSERT INTO schema_steps VALUES (8000, 'twice')")
        except Duplicate:
            raise Failed("twice") from None
        return "never"

    with pytest.raises(Failed, match="twice"):
        await database.write(add_twice)
    with pytest.raises(Duplicate):
        await database.write(lambda tx: tx.run("INSERT INTO schema_steps VALUES (1, 'there already')"))


async def test_whoever_waits_together_fails_alone(database: Database, dialect: Dialect) -> None:
    """On SQLite these share one commit: all wait while the first one holds the writer."""
    go_on = threading.Event()
    first = asyncio.create_task(database.write(lambda tx: go_on.wait(10)))
    await asyncio.sleep(0.05)
    tries = [database.write(leave_and_fail if n % 3 == 1 else notices.leave, f"n{n}") for n in range(10)]
    gathered = asyncio.gather(*tries, return_exceptions=True)
    await asyncio.sleep(0.05)
    go_on.set()
    results = await gathered
    assert await first
    assert [isinstance(result, Failed) for result in results] == [n % 3 == 1 for n in range(10)]
    positions = [result for result in results if isinstance(result, int)]
    assert len(set(positions)) == 7
    assert sorted(channels_elsewhere(dialect)) == sorted(f"n{n}" for n in range(10) if n % 3 != 1)


def test_answers_and_publications_come_after_the_commit_and_of_what_failed_none(dialect: Dialect) -> None:
    events: list[tuple[str, list[str]]] = []
    over = threading.Barrier(2)

    def job(tx: Transaction, channel: str, *, fail: bool) -> None:
        tx.after_commit(lambda: events.append((f"published {channel}", channels_elsewhere(dialect))))
        notices.leave(tx, channel)
        events.append((f"left {channel}", channels_elsewhere(dialect)))
        if fail:
            raise Failed

    def done(_: object, error: BaseException | None) -> None:
        events.append(("failed" if error else "answered", channels_elsewhere(dialect)))
        over.wait(10)

    dialect.start()
    try:
        for channel, fail in (("a", False), ("b", True), ("c", False)):
            dialect.write(lambda tx, c=channel, f=fail: job(tx, c, fail=f), done, is_single=False)  # type: ignore[misc]
            over.wait(10)
    finally:
        dialect.stop()
    assert events == [
        ("left a", []),
        ("published a", ["a"]),
        ("answered", ["a"]),
        ("left b", ["a"]),
        ("failed", ["a"]),
        ("left c", ["a"]),
        ("published c", ["a", "c"]),
        ("answered", ["a", "c"]),
    ]


async def test_a_caller_that_goes_away_stops_nothing(database: Database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def leave_slowly(tx: Transaction) -> None:
        entered.set()
        go_on.wait(10)
        notices.leave(tx, "slow")

    waiting = asyncio.create_task(database.write(leave_slowly))
    await asyncio.to_thread(entered.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await database.write(notices.leave, "after")
    async with asyncio.timeout(10):
        while len(found := await database.read(channels)) < 2:  # noqa: ASYNC110 - a storage thread is waited for
            await asyncio.sleep(0.01)
    assert sorted(found) == ["after", "slow"]


async def test_stopping_finishes_what_was_given(dialect: Dialect) -> None:
    database = Database(dialect)
    database.start()
    tries = [asyncio.create_task(database.write(notices.leave, f"n{n}")) for n in range(30)]
    await asyncio.sleep(0)
    await database.stop()
    await asyncio.gather(*tries)
    assert len(channels_elsewhere(dialect)) == 30


async def test_a_read_sees_one_state(database: Database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def look_twice(tx: Transaction) -> tuple[list[str], list[str]]:
        first = channels(tx)
        entered.set()
        go_on.wait(10)
        return first, channels(tx)

    looking = asyncio.create_task(database.read(look_twice))
    await asyncio.to_thread(entered.wait, 10)
    await database.write(notices.leave, "new")
    go_on.set()
    assert await looking == ([], [])
    assert await database.read(channels) == ["new"]


# What goes wrong on disk and on the way


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """As on a full disk: this process cannot make any file longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_fails_writes_and_nothing_else_and_is_over_when_it_is_over(
    tmp_path: Path, postgres: Databases
) -> None:
    with new_dialect("sqlite", tmp_path, postgres) as dialect:
        async with running(dialect) as database:
            talk = await new_room(database)
            before = await talk.row()
            log = (tmp_path / "oriz.db-wal").stat().st_size
            with files_no_longer_than(log):
                tries = [database.write(notices.leave, "lost" * 1000) for _ in range(5)]
                results = await asyncio.gather(*tries, return_exceptions=True)
                assert all(isinstance(result, DatabaseUnavailable) for result in results), results
                assert await database.read(channels) == []
                assert await talk.row() == before
                assert await database.is_reachable()
            await database.write(notices.leave, "after")
            await talk.say()
            assert channels_elsewhere(dialect) == ["after"]
    with closing(sqlite3.connect(tmp_path / "oriz.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_file_that_may_not_grow_fails_the_whole_group(tmp_path: Path, postgres: Databases) -> None:
    """SQLite notices while a member writes, not at the commit."""
    with new_dialect("sqlite", tmp_path, postgres) as dialect:
        async with running(dialect) as database:
            [(pages,)] = await database.write(lambda tx: tx.rows("PRAGMA page_count"))
            assert pages < 200
            await database.write(lambda tx: tx.rows("PRAGMA max_page_count = 200"))
            with pytest.raises(DatabaseUnavailable):
                await database.write(notices.leave, "x" * 2_000_000)
            await database.write(lambda tx: tx.rows("PRAGMA max_page_count = 1000000"))
            await database.write(notices.leave, "after")
            assert channels_elsewhere(dialect) == ["after"]


def test_a_file_that_cannot_be_opened_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "oriz.db").mkdir()
    dialect = Sqlite(tmp_path / "oriz.db", Caches(), 1)
    with pytest.raises(DatabaseUnavailable, match=r"oriz\.db"):
        dialect.session().__enter__()


async def test_another_process_at_the_same_file_is_waited_for(tmp_path: Path, postgres: Databases) -> None:
    with new_dialect("sqlite", tmp_path, postgres) as dialect, new_dialect("sqlite", tmp_path, postgres) as command:
        async with running(dialect) as database:
            with command.session() as session:
                with session.transaction():
                    notices.leave(Transaction(session, Caches()), "command")
                    waiting = asyncio.create_task(database.write(notices.leave, "server"))
                    await asyncio.sleep(0.1)
                    assert not waiting.done()
                await waiting
            assert await database.read(channels) == ["command", "server"]


@pytest.fixture
def cluster(postgres: Databases) -> Iterator[tuple[Cluster, str]]:
    """A PostgreSQL of its own, with the schema in its database."""
    with temporary_cluster(durable=False) as running_cluster:
        url = running_cluster.url()
        with Postgres(url, Caches(), 1).session() as session:
            migrate.upgrade(Postgres(url, Caches(), 1), session)
        yield running_cluster, url


async def test_a_database_that_goes_away_is_unavailable_and_comes_back_by_itself(
    cluster: tuple[Cluster, str],
) -> None:
    server, url = cluster
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    async with running(Postgres(url, Caches(), 3)) as database:
        talk = await new_room(database)
        await asyncio.gather(*(database.read(channels) for _ in range(9)))
        await asyncio.to_thread(server.stop)
        tries = [*(database.read(channels) for _ in range(6)), *(database.write(notices.leave, "no") for _ in range(6))]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert all(isinstance(result, DatabaseUnavailable) for result in results), results
        assert not await database.is_reachable()
        await asyncio.to_thread(server.start, port)
        assert await database.is_reachable()
        await asyncio.gather(*(database.write(notices.leave, "yes") for _ in range(6)))
        assert await database.read(channels) == ["yes"] * 6
        await talk.say()


@single
def leave_and_end_the_connection(tx: Transaction, calls: list[int]) -> None:
    """A statement that commits by itself, and then the connection goes: nobody can know whether it happened."""
    calls.append(1)
    tx.run("INSERT INTO notices VALUES (nextval('positions'), 'once')")
    tx.run("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_what_may_have_happened_is_not_done_again(postgres: Databases) -> None:
    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            calls: list[int] = []
            with pytest.raises(DatabaseUnavailable):
                await database.write(leave_and_end_the_connection, calls)
            assert calls == [1]
            assert await database.read(channels) == ["once"]


async def test_what_cannot_have_happened_is_done_again(postgres: Databases) -> None:
    """The connection went before COMMIT was sent: another one takes the work over."""
    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            calls: list[int] = []

            def leave(tx: Transaction) -> None:
                calls.append(1)
                notices.leave(tx, f"n{len(calls)}")
                interning.user(tx, UserId(f"@u{len(calls)}:example.org"))
                if len(calls) == 1:
                    tx.run("SELECT pg_terminate_backend(pg_backend_pid())")

            await database.write(leave)
            assert await database.read(channels) == ["n2"]
            assert await database.read(interning.find_user, UserId("@u1:example.org")) is None
            assert dialect.caches.user_nids.get("@u1:example.org") is None


async def test_a_read_is_done_again_whatever_its_connection_did_before(postgres: Databases) -> None:
    @single
    def count(tx: Transaction) -> int:
        return len(channels(tx))

    with new_dialect("postgres", Path(), postgres) as dialect, psycopg.connect(postgres.server()) as other:
        async with running(dialect) as database:
            name = await database.read(lambda tx: tx.value("SELECT current_database()"))
            for number in range(3):
                await asyncio.gather(*(database.write(notices.leave, "fine") for _ in range(6)))
                other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
                reads = [database.read(count), database.read_settled(recent.changes, Position(0)), database.read(count)]
                assert (await asyncio.gather(*reads))[0] == 6 * (number + 1)


async def test_all_connections_may_be_ended_at_any_time(postgres: Databases) -> None:
    with new_dialect("postgres", Path(), postgres) as dialect, psycopg.connect(postgres.server()) as other:
        async with running(dialect) as database:
            for _ in range(3):
                await asyncio.gather(*(database.read(channels) for _ in range(6)))
                sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                other.execute(sql, [await database.read(lambda tx: tx.value("SELECT current_database()"))])
                await asyncio.gather(*(database.write(notices.leave, "fine") for _ in range(6)))
            assert len(await database.read(channels)) == 18


async def test_who_loses_a_deadlock_is_run_again(postgres: Databases) -> None:
    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            together, calls = threading.Barrier(2), list[str]()

            def lock_both(tx: Transaction, first: str, second: str) -> None:
                calls.append(first)
                tx.run("SET LOCAL deadlock_timeout = '20ms'")
                tx.lock(first)
                if len(calls) <= 2:
                    together.wait(10)
                tx.lock(second)
                notices.leave(tx, first)

            await asyncio.gather(database.write(lock_both, "a", "b"), database.write(lock_both, "b", "a"))
            assert len(calls) == 3
            assert sorted(await database.read(channels)) == ["a", "b"]


async def test_what_is_read_amid_writes_is_the_answer_to_the_question(postgres: Databases) -> None:
    """However much the engine has still to answer of the writes before."""

    def write_and_read(tx: Transaction, count: int) -> list[tuple[int, ...]]:
        tx.pipeline()
        rows = [{"position": number, "channel": "many"} for number in range(count)]
        tx.many("INSERT INTO notices VALUES (:position, :channel)", rows)
        tx.many("UPDATE notices SET channel = 'one' WHERE position = :position AND channel = :channel", rows)
        found = tx.rows("SELECT count(*) FROM notices WHERE position = ANY(:some)", some=list(range(count)))
        tx.run("DELETE FROM notices")
        return found

    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            for count in range(50, 450, 4):
                assert await database.write(write_and_read, count) == [(count,)]
                assert await database.read(channels) == []


async def test_an_error_in_what_is_sent_in_one_go_leaves_the_connection_usable(postgres: Databases) -> None:
    def break_rules(tx: Transaction) -> None:
        tx.pipeline()
        tx.run("INSERT INTO notices VALUES (1, 'first')")
        tx.run("INSERT INTO notices VALUES (1, 'again')")
        tx.run("INSERT INTO notices VALUES (2, 'third')")

    with new_dialect("postgres", Path(), postgres) as dialect:
        async with running(dialect) as database:
            for _ in range(5):
                with pytest.raises(Duplicate):
                    await database.write(break_rules)
            await database.write(interning.user, ALICE)
            assert await database.read(channels) == []
            assert channels_elsewhere(dialect) == []


def _row(number: int) -> Row:
    """A row of all kinds of values, of which `absent` is NULL in each, and `perhaps` in some."""
    return (number, f"word {number}'", b"\0\xff" * number, number % 2 == 0, None, None if number % 3 else number)


@pytest.mark.parametrize("count", [1, 2, ROWS_TOGETHER - 1, ROWS_TOGETHER, 100])
async def test_many_rows_arrive_as_they_are(database: Database, dialect: Dialect, count: int) -> None:
    """However many go together: any values, also in columns whose names are words of SQL, and known keys left out."""
    make = f"""
        CREATE TABLE probe ("user" BIGINT PRIMARY KEY, word TEXT, body {dialect.schema_words["blob"]}, is_even BOOLEAN,
            absent TEXT, perhaps BIGINT)
    """
    insert = """
        INSERT INTO probe ("user", word, body, is_even, absent, perhaps)
        VALUES (:user, :word, :body, :is_even, :absent, :perhaps) ON CONFLICT DO NOTHING
    """
    names = ("user", "word", "body", "is_even", "absent", "perhaps")
    rows = [dict(zip(names, _row(number), strict=True)) for number in range(count)]

    def fill(tx: Transaction) -> None:
        tx.run(make)
        tx.many(insert, rows)
        tx.many(insert, rows + rows)
        tx.many('UPDATE probe SET perhaps = :perhaps, word = word WHERE "user" = :user', rows)

    await database.write(fill)
    assert await database.read(lambda tx: tx.rows('SELECT * FROM probe ORDER BY "user"')) == [
        _row(number) for number in range(count)
    ]


async def test_a_later_row_replaces_an_earlier_one(database: Database) -> None:
    """Also where both are written together."""
    insert = """
        INSERT INTO jobs (queue, key, payload, run_at) VALUES ('probe', :key, :payload, 0)
        ON CONFLICT (queue, key) DO UPDATE SET payload = EXCLUDED.payload
    """
    rows = [{"key": str(number % 10), "payload": b"%d" % number} for number in range(20)]
    await database.write(lambda tx: tx.many(insert, rows))
    found = await database.read(lambda tx: tx.rows("SELECT payload FROM jobs WHERE queue = 'probe' ORDER BY key"))
    assert [payload for (payload,) in found] == [b"%d" % number for number in range(10, 20)]
