"""The transaction that every storage function takes first, and the connection below it.

Statements are written in the SQL that both engines share: `:name` placeholders, `= ANY(:list)` for membership in a
list, `EACH(:list)` for a list of numbers as a table with the column `value`, `CAST(...)`, `FOR UPDATE` where a write
decides on what it read (SQLite has one writer and drops the words).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, Protocol, TypeVar

from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.types import Position, Sizes

Row = tuple[Any, ...]
F = TypeVar("F", bound=Callable[..., Any])


def single(fn: F) -> F:
    """Marks a storage function that sends one statement at most: it needs no BEGIN and COMMIT around it."""
    fn.single = True  # type: ignore[attr-defined]
    return fn


def is_single(fn: Callable[..., Any]) -> bool:
    """Whether a storage function is marked so."""
    return getattr(fn, "single", False)


class Connection(Protocol):
    """One connection of one engine, used by one thread.

    message_statement: the one statement that appends a message, where the engine can (`storage.append.message`).
    """

    message_statement: LiteralString | None

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """All rows of a query, or of a statement with RETURNING."""

    def run(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """Runs a statement; the number of rows it touched."""

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs a statement once for each row."""

    def draw(self, count: int) -> list[Position]:
        """Draws positions, ascending (see `storage.positions`)."""

    def lock(self, subject: str) -> None:
        """Holds a named lock until the transaction ends."""

    def sizes(self) -> Sizes:
        """What the database takes; reads much of it, so it may last."""

    def pipeline(self) -> None:
        """Announces that writes follow, whose errors may show as late as at the commit; a read waits for them."""


class Transaction:
    """One database transaction. `statements` counts what it sent, for the budgets that tests hold."""

    __slots__ = ("_after_commit", "_connection", "caches", "statements")

    def __init__(self, connection: Connection, caches: Caches) -> None:
        self._connection = connection
        self._after_commit: list[Callable[[], None]] = []
        self.caches = caches
        self.statements = 0

    def rows(self, sql: LiteralString, **parameters: Any) -> list[Row]:
        """All rows of a query, or of a statement with RETURNING."""
        self.statements += 1
        return self._connection.rows(sql, parameters)

    def one(self, sql: LiteralString, **parameters: Any) -> Row | None:
        """The first row, or None."""
        self.statements += 1
        rows = self._connection.rows(sql, parameters)
        return rows[0] if rows else None

    def value(self, sql: LiteralString, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.one(sql, **parameters)
        return row[0] if row else None

    def run(self, sql: LiteralString, **parameters: Any) -> int:
        """Runs a statement; the number of rows it touched."""
        self.statements += 1
        return self._connection.run(sql, parameters)

    def many(self, sql: LiteralString, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs a statement once for each row."""
        if rows:
            self.statements += 1
            self._connection.many(sql, rows)

    def position(self) -> Position:
        """Draws one position. Call it when every lock is held; after it come only the inserts that carry it."""
        return self.positions(1)[0]

    def positions(self, count: int) -> list[Position]:
        """Draws several positions, ascending."""
        self.statements += 1
        return self._connection.draw(count)

    def sizes(self) -> Sizes:
        """What the database takes; reads much of it, so it may last."""
        return self._connection.sizes()

    def pipeline(self) -> None:
        """From here to the end of the transaction there are mostly writes, which the engine may get in one go.

        A read in between waits for all that was written before it.
        """
        self._connection.pipeline()

    def lock(self, subject: str) -> None:
        """Holds a named lock until the transaction ends; what is decided on must be read after it."""
        self._connection.lock(subject)

    @property
    def message_statement(self) -> LiteralString | None:
        """The one statement that appends a message, where the engine can."""
        return self._connection.message_statement

    def after_commit(self, publish: Callable[[], None]) -> None:
        """Runs `publish` once the commit is certain: the only way from a transaction into memory."""
        self._after_commit.append(publish)

    def committed(self) -> None:
        """For the dialects: runs what waits for the commit, and lets go of it: what it holds holds the transaction."""
        waiting, self._after_commit = self._after_commit, []
        for publish in waiting:
            publish()
