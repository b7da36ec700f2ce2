"""Records which statements the functions of storage send while something happens, and asks the engine for its plans."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, NamedTuple

import pytest

from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Session
from oriz_matrix.storage.dialects.postgresql import PostgresConnection
from oriz_matrix.storage.dialects.sqlite import SqliteConnection
from oriz_matrix.storage.transaction import Transaction, is_single, single

STORAGE = "/oriz_matrix/storage/"
LOWEST = ("/storage/transaction.py", "/storage/dialects/", "/storage/database.py")


class Statement(NamedTuple):
    """A statement as a function sent it."""

    function: str
    sql: str


class Recording:
    """What was sent: each statement with the parameters of the last time, and how many the single functions sent.

    rows: how many rows the statements gave back.
    """

    def __init__(self) -> None:
        self.statements: dict[Statement, Mapping[str, Any]] = {}
        self.single: dict[str, int] = {}
        self.rows = 0

    def note(self, sql: str, parameters: Mapping[str, Any]) -> None:
        self.statements[Statement(_function(), sql)] = parameters

    @property
    def functions(self) -> set[str]:
        """The storage functions that sent something, as `module.function`."""
        return {statement.function for statement in self.statements}


def _function() -> str:
    """The storage function that sends this."""
    frame = sys._getframe(2)
    while STORAGE not in frame.f_code.co_filename or any(low in frame.f_code.co_filename for low in LOWEST):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename.split(STORAGE)[1].removesuffix('.py')}.{frame.f_code.co_qualname}"


@contextmanager
def recorded() -> Iterator[Recording]:
    """Records what is sent, by whichever engine, while the block runs."""
    recording = Recording()
    with pytest.MonkeyPatch.context() as patch:
        for connection in (SqliteConnection, PostgresConnection):
            patch.setattr(connection, "rows", _counting_rows(recording, _noting(recording, connection.rows)))
            patch.setattr(connection, "run", _noting(recording, connection.run))
            patch.setattr(connection, "many", _noting_many(recording, connection.many))
        for name in ("read", "read_settled", "write"):
            patch.setattr(Database, name, _counting(recording, getattr(Database, name)))
        yield recording


def _noting(recording: Recording, plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def note(self: Any, sql: str, parameters: Mapping[str, Any]) -> Any:
        recording.note(sql, parameters)
        return plain(self, sql, parameters)

    return note


def _counting_rows(recording: Recording, plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def count(self: Any, sql: str, parameters: Mapping[str, Any]) -> Any:
        found = plain(self, sql, parameters)
        recording.rows += len(found)
        return found

    return count


def _noting_many(recording: Recording, plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def note(self: Any, sql: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        recording.note(sql, rows[0])
        return plain(self, sql, rows)

    return note


def _counting(recording: Recording, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Watches the functions that promise to send one statement at most."""

    def call(self: Database, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not is_single(fn):
            return plain(self, fn, *args, **kwargs)

        @single
        @wraps(fn)
        def counted(tx: Transaction, *rest: Any, **more: Any) -> Any:
            before = tx.statements
            try:
                return fn(tx, *rest, **more)
            finally:
                recording.single[fn.__name__] = max(recording.single.get(fn.__name__, 0), tx.statements - before)

        return plain(self, counted, *args, **kwargs)

    return call


def whole_reads(session: Session, recording: Recording, small: frozenset[str]) -> dict[str, list[str]]:
    """Which functions read a table or an index from beginning to end, and how; `small` ones may be read so."""
    explain = _explain_sqlite if isinstance(session, SqliteConnection) else _explain_postgres
    found: dict[str, list[str]] = {}
    for statement, parameters in recording.statements.items():
        if statement.sql.lstrip().split()[0] in ("SELECT", "UPDATE", "DELETE", "WITH", "INSERT"):
            named = small.union(NAMED_PART.findall(statement.sql))
            reads = [read for read in explain(session, statement.sql, parameters) if read.split()[0] not in named]
            if reads:
                found.setdefault(statement.function, []).extend(reads)
    return found


NO_TABLES = frozenset(
    {
        "json_each",
        "pairs",
        "each",
        "CONSTANT",
        "positions",
        "server",
        "own_keys",
        "skipped",
        "schema_steps",
        "pg_database",
    }
)
"""What a plan may read from its beginning to its end: lists that were given, and tables that do not grow with use."""

NAMED_PART = re.compile(r"(\w+) AS (?:MATERIALIZED )?\(")
"""A part of a statement that has a name: its rows are what the statement itself has found."""


def _explain_sqlite(session: Session, sql: str, parameters: Mapping[str, Any]) -> list[str]:
    # An INSERT would list the children of its table, which it looks at only where a constraint is broken already.
    session.run(f"PRAGMA foreign_keys = {'OFF' if sql.lstrip().startswith('INSERT') else 'ON'}", {})
    plan = session.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)
    whole = [re.fullmatch(r"(?:SCAN (?=.)|SEARCH (?=\w+$))(.*)", detail) for *_, detail in plan]
    scans = [found[1] for found in whole if found]  # "SEARCH x" alone tells of a min() over the whole of x
    return [scan for scan in scans if scan.split()[0] not in NO_TABLES and not scan.startswith("(")]


def _explain_postgres(session: Session, sql: str, parameters: Mapping[str, Any]) -> list[str]:
    [(plan,)] = session.rows(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
    return list(_postgres_scans(plan[0]["Plan"]))


def _postgres_scans(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    kind = node["Node Type"]
    first_only = above == "Limit" and "Filter" not in node  # the beginning of an index
    unbounded = kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and not first_only
    if (kind == "Seq Scan" or unbounded) and node["Relation Name"] not in NO_TABLES:
        yield f"{node['Relation Name']} {kind}"
    for below in node.get("Plans", ()):
        yield from _postgres_scans(below, kind)


@contextmanager
def without(session: Session, *settings: str) -> Iterator[None]:
    """PostgreSQL's planner without some of its ways; nothing for the other engine."""
    with ExitStack() as stack:
        if isinstance(session, PostgresConnection):
            for setting in settings:
                session.run(f"SET {setting} = off", {})
                stack.callback(session.run, f"RESET {setting}", {})
        yield
