"""PostgreSQL: a few threads with a connection each, advisory locks for positions, prepared statements in binary.

Reads of several statements see one snapshot (REPEATABLE READ); writes run READ COMMITTED, so that what follows a lock
sees what the lock protects. What fails by conflict is run again; what fails because the connection went is not, unless
nothing was sent to commit.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any, LiteralString, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DeadlockDetected, SerializationFailure, UniqueViolation
from psycopg.types.numeric import Int8, Int8BinaryDumper

from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Done
from oriz_matrix.storage.dialects.threads import Threads
from oriz_matrix.storage.errors import DatabaseUnavailable, Duplicate
from oriz_matrix.storage.transaction import Row, Transaction
from oriz_matrix.storage.types import Position, Sizes, TableSize

MARK_SPACE = 0x4F52 << 48
"""The keys of the advisory locks that are low-water marks: the high 16 bits are ours, the low 48 bits the mark."""
SCHEMA_LOCK = 0x4F53 << 48
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""How long a database that does not answer is waited for (seconds), unless its URL says otherwise."""
ATTEMPTS = 5
SETTINGS = "-c idle_in_transaction_session_timeout=60000 -c statement_timeout=120000"
_ANY = re.compile(r"= ANY\(:(\w+)\)")
_EACH = re.compile(r"EACH\(:(\w+)\)")
_PAIRS = re.compile(r"PAIRS\(:(\w+)\)")
PAIRS = r"unnest(CAST(:\1_first AS BIGINT[]), CAST(:\1_second AS BIGINT[])) AS pairs(first, second)"
_PLACEHOLDER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_INSERT = re.compile(
    r"(\s*INSERT INTO \w+\s+\([^()]+\)\s+)VALUES \(([^()]+)\)(\s*|\s+ON CONFLICT .*DO NOTHING\s*)", re.DOTALL
)
TYPES = {Int8: "BIGINT", str: "TEXT", bytes: "BYTEA", bool: "BOOLEAN"}
"""The columns' types, by those of their values."""
ROWS_TOGETHER = 8
"""From so many rows on, one INSERT of arrays costs less than as many INSERTs that are sent in one go."""

# The numbers put into these two are constants of this file.
DRAW = f"""
    WITH mark AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({MARK_SPACE} | last_value) FROM positions)
    SELECT nextval('positions') FROM mark, generate_series(1, :count) ORDER BY 1
"""  # noqa: S608
SETTLED = f"""
    SELECT LEAST(seen.last_value, COALESCE((
        SELECT min((CAST(CAST(classid AS BIGINT) & 65535 AS BIGINT) << 32) | CAST(objid AS BIGINT))
        FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND CAST(classid AS BIGINT) >> 16 = {0x4F52}
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND seen.last_value IS NOT NULL
    ), seen.last_value)) FROM (SELECT last_value FROM positions) seen
"""  # noqa: S608

# The number is drawn when the room's row is held, and the mark before the number: each part waits for the one before.
MESSAGE: LiteralString = f"""
    WITH held AS MATERIALIZED (
        SELECT nid, extremities, unread FROM rooms
        WHERE nid = :room AND branch = :branch AND state_at = :state_at FOR UPDATE
    ), mark AS MATERIALIZED (
        SELECT pg_advisory_xact_lock_shared({MARK_SPACE} | (SELECT last_value FROM positions)) FROM held
    ), drawn AS MATERIALIZED (
        SELECT nextval('positions') AS position FROM mark
    ), body AS (
        INSERT INTO events (nid, event_id, room, body)
        SELECT position, CAST(:event_id AS TEXT), CAST(:room AS BIGINT), CAST(:body AS BYTEA) FROM drawn
    ), status AS (
        INSERT INTO event_status (event, room, sender, position, back, branch, state_at, notifies, unread, ts)
        SELECT position, CAST(:room AS BIGINT), CAST(:sender AS BIGINT), position, 0, CAST(:branch AS BIGINT),
            CAST(:state_at AS BIGINT), CAST(:notifies AS BIGINT) = 1, held.unread + CAST(:notifies AS BIGINT),
            CAST(:ts AS BIGINT)
        FROM drawn, held
    ), called AS (
        INSERT INTO transaction_ids (device, endpoint, txn_id, event)
        SELECT CAST(:device AS BIGINT), CAST(:endpoint AS TEXT), CAST(:txn_id AS TEXT), position
        FROM drawn WHERE CAST(:device AS BIGINT) IS NOT NULL
    ), sent AS (
        INSERT INTO outbox (destination, event) SELECT server, position FROM drawn, room_servers WHERE room = :room
    )
    UPDATE rooms SET latest = drawn.position, unread = held.unread + CAST(:notifies AS BIGINT),
        extremities = CAST(COALESCE((
            SELECT jsonb_agg(one) FROM jsonb_array_elements(CAST(held.extremities AS JSONB)) one
            WHERE NOT one ->> 0 = ANY(:behind)
        ), '[]') || CAST(:own AS JSONB) AS TEXT)
    FROM held, drawn WHERE rooms.nid = held.nid
    RETURNING rooms.nid, rooms.branch, rooms.state_at, rooms.latest, rooms.extremities, rooms.joined, rooms.invited,
        rooms.unread, rooms.elsewhere
"""  # noqa: S608

SIZES = """
    SELECT relname, pg_total_relation_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = CAST(current_schema() AS regnamespace)
"""

READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITE = b"BEGIN"


@lru_cache(maxsize=2048)
def _translate(sql: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The statement with psycopg's placeholders, and the names of the parameters that are lists, and lists of pairs."""
    lists, pairs = (*_ANY.findall(sql), *_EACH.findall(sql)), tuple(_PAIRS.findall(sql))
    sql = _EACH.sub(r"unnest(CAST(:\1 AS BIGINT[])) AS each(value)", sql.replace("%", "%%"))
    return _PLACEHOLDER.sub(r"%(\1)s", _PAIRS.sub(PAIRS, sql)), lists, pairs


@lru_cache(maxsize=512)
def _insert_parts(sql: str) -> tuple[str, ...] | None:
    """What stands before, in and after the VALUES of an INSERT that may be one of many rows.

    None for another statement, and with DO UPDATE, which may not meet one row twice.
    """
    found = _INSERT.fullmatch(sql)
    return found and found.groups()


@lru_cache(maxsize=512)
def _of_arrays(insert: tuple[str, ...], types: tuple[tuple[str, str], ...]) -> str:
    """An INSERT of one row as one of many, whose parameters are arrays of these types, or NULL where they have none."""
    into, values, rest = insert
    columns = dict(types)
    row = _PLACEHOLDER.sub(lambda name: f'each."{name[1]}"' if name[1] in columns else "NULL", values)
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in types)
    names = ", ".join(f'"{name}"' for name in columns)
    return f"{into} SELECT {row} FROM unnest({arrays}) AS each({names}) {rest}"  # noqa: S608


def _array(values: Iterable[Any]) -> list[Any]:
    """A list as psycopg takes it: numbers as BIGINT, whose size it would guess from the first list of the statement."""
    return [Int8(value) if type(value) is int else value for value in values]


def _type(values: Iterable[Any]) -> str | None:
    """The type of the values of a column; None where all are NULL."""
    return next((TYPES[type(value)] for value in values if value is not None), None)


class PostgresConnection:
    """One connection in autocommit mode, in which transactions are begun by hand."""

    message_statement: LiteralString | None = MESSAGE

    def __init__(self, url: str) -> None:
        given = conninfo_to_dict(url)
        options = f"{SETTINGS} {given.get('options') or ''}"
        full = make_conninfo(
            url, **{name: value for name, value in PATIENCE.items() if name not in given}, options=options
        )
        self._db = psycopg.connect(full, autocommit=True, prepare_threshold=2)
        self._db.adapters.register_dumper(int, Int8BinaryDumper)
        self._cursor = self._db.cursor(binary=True)
        self._end = ExitStack()
        self._pipeline: psycopg.Pipeline | None = None
        self.in_doubt = False
        """Whether COMMIT was sent and not answered: nobody knows whether it happened."""

    def _execute(self, sql: str, parameters: Mapping[str, Any]) -> None:
        text, lists, pairs = _translate(sql)
        if lists:
            parameters = {**parameters, **{name: _array(parameters[name]) for name in lists}}
        for name in pairs:
            first, second = zip(*parameters[name], strict=True) if parameters[name] else ((), ())
            parameters = {**parameters, f"{name}_first": _array(first), f"{name}_second": _array(second)}
        try:
            self._cursor.execute(cast("Any", text), parameters)
        except UniqueViolation as error:
            raise _meaning(error) from error

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        if self._pipeline is not None:  # else the cursor may take the answer to a write before for this one's
            self._pipeline.sync()
        self._execute(sql, parameters)
        return self._cursor.fetchall()

    def run(self, sql: str, parameters: Mapping[str, Any]) -> int:
        self._execute(sql, parameters)
        return self._cursor.rowcount

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        insert = _insert_parts(sql) if len(rows) >= ROWS_TOGETHER else None
        if insert is None:
            self._cursor.executemany(cast("Any", _translate(sql)[0]), rows)
            return
        arrays = {name: _array(row[name] for row in rows) for name in rows[0]}
        types = {name: kind for name, values in arrays.items() if (kind := _type(values)) is not None}
        self._execute(_of_arrays(insert, tuple(types.items())), arrays)

    def draw(self, count: int) -> list[Position]:
        return [Position(value) for (value,) in self.rows(DRAW, {"count": count})]

    def lock(self, subject: str) -> None:
        self.run("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))", {"subject": subject})

    def pipeline(self) -> None:
        self._pipeline = self._end.enter_context(self._db.pipeline())

    def settled(self) -> Position:
        """Outside a transaction: what is at or below it is visible to every snapshot that is taken later."""
        return Position(self.rows(SETTLED, {})[0][0])

    def tables(self) -> list[str]:
        return [
            name for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()", {})
        ]

    def sizes(self) -> Sizes:
        tables = [
            TableSize(name, self.rows(f"SELECT count(*) FROM {name}", {})[0][0], total, indexes)  # noqa: S608
            for name, total, indexes in self.rows(SIZES, {})
        ]
        [(total,)] = self.rows("SELECT pg_database_size(current_database())", {})
        return Sizes(tables, total, free=0, log=0, estimated=False)

    def raise_positions(self, at_least: int) -> None:
        # Takes the sequence's own lock: nobody draws from here to the commit, so that setval cannot lead back.
        self.run("ALTER SEQUENCE positions OWNED BY NONE", {})
        [(last,)] = self.rows("SELECT last_value FROM positions", {})
        if last < at_least:
            self.run("INSERT INTO skipped (first, last) VALUES (:first, :last)", {"first": last + 1, "last": at_least})
            self.run("SELECT setval('positions', :value)", {"value": at_least})

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.begun(WRITE):
            yield

    @contextmanager
    def begun(self, begin: bytes) -> Iterator[None]:
        """Runs `begin`, then COMMIT, or ROLLBACK when what is inside fails."""
        self._cursor.execute(begin)
        try:
            with ExitStack() as self._end:
                yield
                self.in_doubt = begin != READ
                self._cursor.execute(b"COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                self._cursor.execute(b"ROLLBACK")
            raise
        finally:
            self._pipeline = None

    @property
    def broken(self) -> bool:
        return self._db.closed or self._db.broken

    def close(self) -> None:
        self._db.close()


class Postgres:
    """The dialect of one PostgreSQL database."""

    one_process = False
    schema_words: Mapping[str, str] = {
        "identity": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "blob": "BYTEA",
        "unlogged": "UNLOGGED",
        "clustered": "",
        "positions": "CREATE SEQUENCE positions CACHE 1",
        "first_position": "SELECT nextval('positions')",
    }

    def __init__(self, url: str, caches: Caches, threads: int) -> None:
        self._url = url
        self.caches = caches
        self._local = threading.local()
        self._open: dict[int, PostgresConnection] = {}  # by thread
        self._threads: Threads[Callable[[], None]] = Threads("postgres", threads, lambda jobs: jobs[0]())

    def start(self) -> None:
        self._threads.start()

    def stop(self) -> None:
        self._threads.stop()
        for connection in self._open.values():
            connection.close()

    @contextmanager
    def session(self) -> Iterator[PostgresConnection]:
        with self._by_hand() as connection:
            connection.run("SELECT pg_advisory_lock(:key)", {"key": SCHEMA_LOCK})
            yield connection

    @contextmanager
    def look(self) -> Iterator[PostgresConnection]:
        with self._by_hand() as connection, connection.begun(READ):
            connection.run("SET LOCAL statement_timeout = 0", {})
            yield connection

    @contextmanager
    def _by_hand(self) -> Iterator[PostgresConnection]:
        try:
            connection = PostgresConnection(self._url)
        except psycopg.Error as error:
            raise DatabaseUnavailable(f"cannot connect to the database: {error}") from error
        try:
            yield connection
        except psycopg.Error as error:
            raise _meaning(error) from error
        finally:
            connection.close()

    def read(self, job: Callable[[Transaction], Any], done: Done, *, is_single: bool) -> None:
        begin = None if is_single else READ
        self._submit(lambda connection: self._run(connection, begin, job), done)

    def read_settled(self, job: Callable[[Transaction, Position], Any], done: Done, *, is_single: bool) -> None:
        def run(connection: PostgresConnection) -> Any:
            settled = connection.settled()
            return self._run(connection, None if is_single else READ, lambda tx: job(tx, settled))

        self._submit(run, done)

    def write(self, job: Callable[[Transaction], Any], done: Done, *, is_single: bool) -> None:
        def run(connection: PostgresConnection) -> Any:
            connection.in_doubt = is_single  # a statement of its own commits by itself
            return self._run(connection, None if is_single else WRITE, job)

        self._submit(run, done)

    def _run(self, connection: PostgresConnection, begin: bytes | None, job: Callable[[Transaction], Any]) -> Any:
        transaction = Transaction(connection, self.caches)
        with nullcontext() if begin is None else connection.begun(begin):
            result = job(transaction)
        transaction.committed()
        return result

    def _submit(self, run: Callable[[PostgresConnection], Any], done: Done) -> None:
        def work() -> None:
            try:
                result = self._attempts(run)
            except BaseException as error:
                done(None, _meaning(error))
            else:
                done(result, None)

        self._threads.put(work)

    def _attempts(self, run: Callable[[PostgresConnection], Any]) -> Any:
        """Again after a conflict, and where the connection was gone before COMMIT was sent."""
        for attempt in range(ATTEMPTS):
            connection = self._connection()
            connection.in_doubt = False
            try:
                return run(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if attempt == ATTEMPTS - 1 or not _nothing_happened(connection, error):
                    raise
                time.sleep(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - spreads the rivals
        raise AssertionError

    def _connection(self) -> PostgresConnection:
        connection: PostgresConnection | None = getattr(self._local, "connection", None)
        if connection is None or connection.broken:
            connection = self._local.connection = PostgresConnection(self._url)
            self._open[threading.get_ident()] = connection
        return connection


def _nothing_happened(connection: PostgresConnection, error: psycopg.Error) -> bool:
    """Whether the engine rolled back for sure: after a conflict, or because it never saw COMMIT."""
    conflict = isinstance(error, SerializationFailure | DeadlockDetected)
    return conflict or (connection.broken and not connection.in_doubt)


def _meaning(error: BaseException) -> BaseException:
    """The engine's error in storage's words."""
    if isinstance(error, UniqueViolation):
        return Duplicate(str(error))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseUnavailable(str(error))
    return error
