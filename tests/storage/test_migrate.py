"""Schema steps: each whole or not at all and only once, whoever is killed or comes second."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from oriz_matrix.storage import migrate
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.dialects.postgresql import PostgresConnection
from oriz_matrix.storage.dialects.sqlite import SqliteConnection
from oriz_matrix.storage.errors import TooNew
from oriz_matrix.storage.transaction import Transaction
from tests.storage import stress
from tests.support.databases import Databases
from tests.support.stores import ENGINES

SPAWN = multiprocessing.get_context("spawn")
Place = tuple[str, str]


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[Place]:
    """An engine, and the path or URL of a database in which there is nothing at all."""
    if request.param == "sqlite":
        yield "sqlite", str(tmp_path / "oriz.db")
        return
    with postgres.database() as url:
        yield "postgres", url


def upgrade(engine: str, target: str) -> list[str]:
    """Runs the steps that are missing."""
    dialect = stress.open_dialect(engine, target)
    with dialect.session() as session:
        return migrate.upgrade(dialect, session)


def upgrade_slowly(engine: str, target: str) -> None:
    """The same, with time for others to come in between."""
    plain = migrate._statements

    def statements(text: str, dialect: Dialect) -> Iterator[str]:
        time.sleep(0.3)
        yield from plain(text, dialect)

    migrate._statements = statements
    upgrade(engine, target)


def upgrade_and_die(engine: str, target: str, after: int) -> None:
    """The same, in a process that is killed after so many statements."""
    connection: type[PostgresConnection | SqliteConnection] = (
        SqliteConnection if engine == "sqlite" else PostgresConnection
    )
    plain, left = connection.run, iter(range(after))

    def run(self: PostgresConnection | SqliteConnection, sql: str, parameters: dict[str, object]) -> int:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, sql, parameters)  # type: ignore[arg-type]

    connection.run = run  # type: ignore[method-assign,assignment]
    upgrade(engine, target)


def schema(engine: str, target: str) -> list[tuple[object, ...]]:
    """Everything that the steps make, in the engine's own words."""
    if engine == "sqlite":
        with closing(sqlite3.connect(target)) as connection:
            return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    with psycopg.connect(target) as connection_:
        sql = """
            SELECT c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull, pg_get_indexdef(c.oid)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, a.attnum
        """
        return connection_.execute(sql).fetchall()


def names() -> list[str]:
    return [f"{number:04} {name}" for number, name, _ in migrate.steps()]


def test_steps_run_once_in_order(place: Place) -> None:
    assert upgrade(*place) == names()
    assert upgrade(*place) == []
    numbers = [number for number, _, _ in migrate.steps()]
    assert numbers == sorted(set(numbers))
    assert all(text.startswith(("-- pre\n", "-- post\n")) for _, _, text in migrate.steps())


def test_a_step_that_fails_leaves_nothing_and_can_be_run_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(*place)
    before, real = schema(*place), migrate.steps()
    good = "-- pre\nCREATE TABLE extra (n BIGINT);\nINSERT INTO extra VALUES (1)"
    monkeypatch.setattr(migrate, "steps", lambda: [*real, (9000, "extra", f"{good};\nSELECT nonsense FROM nowhere")])
    with pytest.raises((psycopg.Error, Exception), match="nowhere"):
        upgrade(*place)
    assert schema(*place) == before
    monkeypatch.setattr(migrate, "steps", lambda: [*real, (9000, "extra", good)])
    assert upgrade(*place) == ["9000 extra"]
    assert upgrade(*place) == []


@pytest.mark.parametrize("after", [3, 17, 31])
def test_a_process_that_is_killed_in_the_middle_leaves_what_the_next_can_finish(place: Place, after: int) -> None:
    worker = SPAWN.Process(target=upgrade_and_die, args=(*place, after))
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    ran = upgrade(*place)
    assert names()[-len(ran) :] == ran
    assert len(ran) > 0
    with stress.open_dialect(*place).session() as session:
        assert [f"{number:04} {name}" for number, name in session.rows("SELECT * FROM schema_steps", {})] == names()
        [(position,)] = session.rows("SELECT last_value FROM positions", {})
        assert position == 1


def test_the_killed_and_the_whole_upgrade_make_the_same_schema(
    place: Place, tmp_path: Path, postgres: Databases
) -> None:
    worker = SPAWN.Process(target=upgrade_and_die, args=(*place, 20))
    worker.start()
    worker.join(30)
    upgrade(*place)
    with postgres.database() as url:
        fresh = ("postgres", url) if place[0] == "postgres" else ("sqlite", str(tmp_path / "fresh.db"))
        upgrade(*fresh)
        assert [row for row in schema(*place) if "sqlite_" not in str(row[1])] == [
            row for row in schema(*fresh) if "sqlite_" not in str(row[1])
        ]


def test_several_processes_that_start_at_once_upgrade_once(place: Place) -> None:
    workers = [SPAWN.Process(target=upgrade_slowly, args=place) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert upgrade(*place) == []


def test_a_database_of_a_newer_version_is_left_alone(place: Place) -> None:
    upgrade(*place)
    dialect = stress.open_dialect(*place)
    with dialect.session() as session, session.transaction():
        session.run("INSERT INTO schema_steps VALUES (9999, 'future')", {})
    before = schema(*place)
    with pytest.raises(TooNew, match="9999"):
        upgrade(*place)
    assert schema(*place) == before


def test_whether_a_database_is_new_is_told_once(place: Place) -> None:
    dialect = stress.open_dialect(*place)
    with dialect.session() as session:
        assert migrate.is_new(session)
        migrate.upgrade(dialect, session)
        assert not migrate.is_new(session)
        assert migrate.missing(session) == []


def test_the_first_name_is_kept_for_ever(dialect: Dialect) -> None:
    for asked in ("one.example", "two.example"):
        with dialect.session() as session, session.transaction():
            assert migrate.claim_name(Transaction(session, Caches()), asked, 1) == "one.example"
