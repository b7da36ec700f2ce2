"""SQLite: one writer thread that shares commits, a few reader threads, write-ahead log, `synchronous=FULL`.

Writes that wait at the same moment run in one transaction, each in a savepoint of its own, so that one failure does not
touch the others; all are answered after the one COMMIT.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, LiteralString

from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Done, sqlite_sizes
from oriz_matrix.storage.dialects.threads import Threads
from oriz_matrix.storage.errors import DatabaseUnavailable, Duplicate
from oriz_matrix.storage.transaction import Row, Transaction
from oriz_matrix.storage.types import Position, Sizes

BUSY_SECONDS = 30
GROUP = 64  # writes in one commit
CACHE_KIB, WRITER_CACHE_KIB = 2000, 8000
"""Of each connection: what is not in it is in the cache of the system, microseconds away. Whoever writes looks at the
same pages again and again."""
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)
_ANY = re.compile(r"= ANY\(:(\w+)\)")
_EACH = re.compile(r"EACH\(:(\w+)\)")
_PAIRS = re.compile(r"PAIRS\(:(\w+)\)")
PAIRS = r"""
    (SELECT json_extract(value, '$[0]') AS first, json_extract(value, '$[1]') AS second FROM json_each(:\1)) AS pairs
"""
_FOR_UPDATE = re.compile(r"\s+FOR UPDATE( SKIP LOCKED)?\b")
_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}

Write = tuple[Callable[[Transaction], Any], Done]
Read = tuple[Callable[[Any], Any], Done]


@lru_cache(maxsize=2048)
def _translate(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement in SQLite's words, and the names of the parameters that are lists."""
    lists = (*_ANY.findall(sql), *_EACH.findall(sql), *_PAIRS.findall(sql))
    sql = _ANY.sub(r"IN (SELECT value FROM json_each(:\1))", _EACH.sub(r"json_each(:\1)", sql))
    return _FOR_UPDATE.sub("", _PAIRS.sub(PAIRS, sql)), lists


class SqliteConnection:
    """One connection; the shared SQL is translated once per statement."""

    message_statement: LiteralString | None = None

    def __init__(self, path: Path, cache_kib: int = CACHE_KIB) -> None:
        self._db = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        try:
            for pragma in (*PRAGMAS, f"PRAGMA cache_size=-{cache_kib}"):
                self._db.execute(pragma)
        except sqlite3.Error:
            self._db.close()
            raise

    def _execute(self, sql: str, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        text, lists = _translate(sql)
        if lists:
            parameters = {**parameters, **{name: json.dumps(list(parameters[name])) for name in lists}}
        try:
            return self._db.execute(text, parameters)
        except sqlite3.IntegrityError as error:
            raise _meaning(error) from error

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Mapping[str, Any]) -> int:
        return self._execute(sql, parameters).rowcount

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._db.executemany(_translate(sql)[0], rows)

    def draw(self, count: int) -> list[Position]:
        sql = "UPDATE positions SET last_value = last_value + ? RETURNING last_value"
        last: int = self._db.execute(sql, (count,)).fetchall()[0][0]
        return [Position(p) for p in range(last - count + 1, last + 1)]

    def lock(self, subject: str) -> None:
        """Nothing to do: there is one writer."""

    def pipeline(self) -> None:
        """Nothing to do: there is no way to go."""

    def settled(self) -> Position:
        """In a transaction: the counter that its snapshot shows. Only committed draws can be seen."""
        return Position(self._db.execute("SELECT last_value FROM positions").fetchone()[0])

    def tables(self) -> list[str]:
        return sqlite_sizes.tables(self)

    def sizes(self) -> Sizes:
        return sqlite_sizes.read(self)

    def raise_positions(self, at_least: int) -> None:
        last = self.settled()
        if last < at_least:
            self._db.execute("UPDATE positions SET last_value = ?", (at_least,))
            self._db.execute("INSERT INTO skipped (first, last) VALUES (?, ?)", (last + 1, at_least))

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything inside sees one state of the database."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens inside is undone alone when it fails."""
        self._db.execute("SAVEPOINT member")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO member")
            self._db.execute("RELEASE member")
            raise
        self._db.execute("RELEASE member")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()  # also where COMMIT fails: a transaction that stays open would stop every later write
            raise

    def close(self) -> None:
        self._db.close()


class Sqlite:
    """The dialect of one database file."""

    one_process = True
    schema_words: Mapping[str, str] = {
        "identity": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "blob": "BLOB",
        "unlogged": "",
        "clustered": "WITHOUT ROWID",
        "positions": "CREATE TABLE positions (last_value BIGINT NOT NULL)",
        "first_position": "INSERT INTO positions (last_value) VALUES (1)",
    }

    def __init__(self, path: Path, caches: Caches, readers: int) -> None:
        self._path = path
        self.caches = caches
        self._local = threading.local()
        self._open: list[SqliteConnection] = []
        self._writer: Threads[Write] = Threads("sqlite-writer", 1, self._serve_writes, batch=GROUP)
        self._readers: Threads[Read] = Threads("sqlite-reader", readers, self._serve_reads)

    def start(self) -> None:
        self._writer.start()
        self._readers.start()

    def stop(self) -> None:
        self._readers.stop()
        self._writer.stop()
        for connection in self._open:
            connection.close()

    @contextmanager
    def session(self) -> Iterator[SqliteConnection]:
        try:
            connection = SqliteConnection(self._path)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"cannot open the database {self._path}: {error}") from error
        try:
            yield connection
        except sqlite3.Error as error:
            raise _meaning(error) from error
        finally:
            connection.close()

    @contextmanager
    def look(self) -> Iterator[SqliteConnection]:
        with self.session() as connection:
            connection.run("PRAGMA query_only=ON", {})
            with connection.snapshot():
                yield connection

    def read(self, job: Callable[[Transaction], Any], done: Done, *, is_single: bool) -> None:
        def run(connection: SqliteConnection) -> Any:
            transaction = Transaction(connection, self.caches)
            if is_single:
                result = job(transaction)
            else:
                with connection.snapshot():
                    result = job(transaction)
            transaction.committed()
            return result

        self._readers.put((run, done))

    def read_settled(
        self,
        job: Callable[[Transaction, Position], Any],
        done: Done,
        *,
        is_single: bool,  # noqa: ARG002
    ) -> None:
        """Always a transaction: the settled position is the one that its snapshot shows."""

        def run(connection: SqliteConnection) -> Any:
            transaction = Transaction(connection, self.caches)
            with connection.snapshot():
                result = job(transaction, connection.settled())
            transaction.committed()
            return result

        self._readers.put((run, done))

    def write(self, job: Callable[[Transaction], Any], done: Done, *, is_single: bool) -> None:  # noqa: ARG002
        """A transaction in any case, which several may share."""
        self._writer.put((job, done))

    def _connection(self, cache_kib: int = CACHE_KIB) -> SqliteConnection:
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = SqliteConnection(self._path, cache_kib)
            self._open.append(connection)
        return connection

    def _serve_reads(self, jobs: list[Read]) -> None:
        [(run, done)] = jobs
        try:
            result = run(self._connection())
        except BaseException as error:
            done(None, _meaning(error))
        else:
            done(result, None)

    def _serve_writes(self, jobs: list[Write]) -> None:
        outcomes: list[tuple[Transaction, Any, BaseException | None]] = []
        try:
            connection = self._connection(WRITER_CACHE_KIB)
            with connection.transaction():
                if len(jobs) == 1:
                    transaction = Transaction(connection, self.caches)
                    outcomes.append((transaction, jobs[0][0](transaction), None))
                else:
                    outcomes.extend(self._member(connection, job) for job, _ in jobs)
        except BaseException as error:
            for _, done in jobs:
                done(None, _meaning(error))
            return
        for (transaction, result, failure), (_, done) in zip(outcomes, jobs, strict=True):
            if failure is None:
                transaction.committed()
            done(result, failure)

    def _member(
        self, connection: SqliteConnection, job: Callable[[Transaction], Any]
    ) -> tuple[Transaction, Any, BaseException | None]:
        transaction = Transaction(connection, self.caches)
        try:
            with connection.savepoint():
                return transaction, job(transaction), None
        except sqlite3.OperationalError:
            raise  # the disk is full or the file is gone: the whole group fails
        except BaseException as error:
            return transaction, None, _meaning(error)


def _meaning(error: BaseException) -> BaseException:
    """The engine's error in storage's words."""
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorcode in _UNIQUE:
        return Duplicate(str(error))
    if isinstance(error, sqlite3.OperationalError):
        return DatabaseUnavailable(str(error))
    return error
