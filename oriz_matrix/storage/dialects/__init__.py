"""The dozen facts in which SQLite and PostgreSQL differ. Nothing outside this package knows which engine runs."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.transaction import Connection, Transaction
from oriz_matrix.storage.types import Position

Done = Callable[[Any, BaseException | None], None]
"""Called on a storage thread with a job's result or its error."""


class Session(Connection, Protocol):
    """A connection held by hand: schema steps, the start of a process, the command line."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commits at the end, or rolls back."""

    def tables(self) -> list[str]:
        """The names of all tables, those of the schema's own record too."""

    def raise_positions(self, at_least: int) -> None:
        """Never gives out a position up to `at_least` again, and records what was skipped."""


class Dialect(Protocol):
    """How one engine is opened, read, written and closed.

    one_process: whether only one server process at a time works on a database.
    """

    one_process: bool
    schema_words: Mapping[str, str]
    caches: Caches

    def session(self) -> AbstractContextManager[Session]:
        """A connection of its own that holds the lock of schema steps."""

    def look(self) -> AbstractContextManager[Session]:
        """A connection of its own that sees one state of the database, holds no lock and can change nothing."""

    def start(self) -> None:
        """Starts the storage threads."""

    def stop(self) -> None:
        """Finishes the jobs that were given and ends the threads."""

    def read(self, job: Callable[[Transaction], Any], done: Done, *, is_single: bool) -> None:
        """Runs `job` in a read transaction: it sees one state of the database."""

    def read_settled(self, job: Callable[[Transaction, Position], Any], done: Done, *, is_single: bool) -> None:
        """The same with the settled position, read before the transaction's snapshot is taken."""

    def write(self, job: Callable[[Transaction], Any], done: Done, *, is_single: bool) -> None:
        """Runs `job` in a write transaction, again where the engine asks for it, and reports after the commit."""
