"""Sizes of tables and rooms: nothing is left out, and an estimate is near what can be measured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect, Session, sqlite_sizes
from oriz_matrix.storage.dialects.sqlite import SqliteConnection
from oriz_matrix.storage.statistics import ROOM_ROWS
from oriz_matrix.storage.transaction import Transaction
from tests.support.databases import Databases
from tests.support.stores import new_dialect

OF_ROOMS = {"room", "branch", "event"}
"""Columns that say that a row belongs to a room."""


@pytest.fixture
def filled(tmp_path: Path, postgres: Databases) -> Iterator[SqliteConnection]:
    """A database with a large table of one index, a small one and an empty one."""
    with new_dialect("sqlite", tmp_path, postgres) as dialect, dialect.session() as session:
        for number in range(3000):
            session.run(
                "INSERT INTO users (user_id) VALUES (:name)", {"name": f"@somebody-with-a-name-{number}:example.org"}
            )
        session.run("INSERT INTO notices VALUES (1, 'x')", {})
    connection = SqliteConnection(tmp_path / "oriz.db")
    yield connection
    connection.close()


def test_every_table_of_rooms_is_counted_by_room(filled: SqliteConnection) -> None:
    columns = {
        table: {name for (name,) in filled.rows(f"SELECT name FROM pragma_table_info('{table}')", {})}
        for table in filled.tables()
    }
    assert {table for table, names in columns.items() if names & OF_ROOMS} | {"rooms", "events"} == set(ROOM_ROWS)


def test_an_estimate_is_near_the_measure(filled: SqliteConnection) -> None:
    measured = {each.table: each for each in sqlite_sizes.measured(filled)}
    used = sum(each.bytes for each in measured.values())
    estimated = {each.table: each for each in sqlite_sizes.estimated(filled, used)}
    assert sum(each.bytes for each in estimated.values()) == pytest.approx(used, abs=len(measured))
    users = measured["users"]
    assert users.rows == estimated["users"].rows == 3000
    assert estimated["users"].bytes == pytest.approx(used, rel=0.1)  # the pages of empty tables are shared out
    assert estimated["cursors"].bytes == 0
    share = estimated["users"].index_bytes / estimated["users"].bytes
    assert share == pytest.approx(users.index_bytes / users.bytes, rel=0.3)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_look_sees_one_state_and_can_change_nothing(engine: str, tmp_path: Path, postgres: Databases) -> None:
    with new_dialect(engine, tmp_path, postgres) as dialect:
        with dialect.look() as session:
            assert count(session) == 0
            add_user(dialect)
            assert count(session) == 0
        with dialect.look() as session:
            assert count(session) == 1
            assert "users" in session.tables()
            sizes = Transaction(session, Caches()).sizes()
            assert {each.table for each in sizes.tables} == set(session.tables())
        with pytest.raises(Exception, match=r"read-?only"), dialect.look() as session:  # each engine its own error
            session.run("INSERT INTO users (user_id) VALUES ('@b:example.org')", {})


def count(session: Session) -> int:
    """The users that a session sees."""
    [(found,)] = session.rows("SELECT count(*) FROM users", {})
    return int(found)


def add_user(dialect: Dialect) -> None:
    """Somebody new, by another connection."""
    with dialect.session() as session:
        session.run("INSERT INTO users (user_id) VALUES ('@a:example.org')", {})
