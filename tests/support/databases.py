"""The PostgreSQL databases of one test run: one server a run, one database a test, copied from a template.

All processes of a run (pytest-xdist) share the server. It is started by the first that asks, and ended by the process
that began the run; they meet in the run's folder, under a lock on a file there. `ORIZ_TEST_POSTGRES` names another
server to use instead (`postgresql://user@host/database`, of a role that may create databases): of that one nothing but
the run's own databases is touched.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.support.postgres import Cluster, enterable_folder

PREFIX = "oriz-tests-"

CREATE: LiteralString = "CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8' LOCALE 'C'"
DROP: LiteralString = "DROP DATABASE IF EXISTS {} WITH (FORCE)"


class Databases:
    """The databases of the run whose folder this is; any process of the run may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"oriz_{folder.name.removeprefix(PREFIX)}_"
        self._named = os.environ.get("ORIZ_TEST_POSTGRES")
        self._cluster = Cluster(folder / "postgres")

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a new database, a copy of `template`; deleted afterwards, with all connections to it."""
        name = self._prefix + secrets.token_hex(6)
        self._administer(CREATE, name, template)
        try:
            yield self._url(name)
        finally:
            self._administer(DROP, name)

    def template(self, subject: str, fill: Callable[[str], None]) -> str:
        """The name of the run's template for `subject`, made once: `fill` gets the URL of an empty database.

        `fill` must have closed its connections when it returns.
        """
        name = self._prefix + subject
        self.server()
        with self._once(f"template-{subject}") as first:
            if first:
                self._administer(DROP, name)
                self._administer(CREATE, name, "template0")
                fill(self._url(name))
        return name

    def server(self) -> str:
        """The URL of the server's first database; starts the server where none is named and none runs yet."""
        with self._once("server") as first:
            if first and self._named is None:
                self._cluster.create(durable=False)
                self._cluster.start()
        return self._named or self._cluster.url()

    def close(self) -> None:
        """Stop the server, if the run has started one, and delete what it has made on a named one."""
        if self._named is None:
            self._cluster.stop()
        elif (self._folder / "server").exists():
            with psycopg.connect(self._named, autocommit=True) as connection:
                found = connection.execute(
                    "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [self._prefix]
                )
                names = [row[0] for row in found]
            for name in names:
                self._administer(DROP, name)

    def _url(self, database: str) -> str:
        return urlsplit(self.server())._replace(path=f"/{database}").geturl()

    def _administer(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self.server(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    @contextmanager
    def _once(self, subject: str) -> Iterator[bool]:
        """True for the first of the run's processes, which the others wait for; again true if its block failed."""
        done = self._folder / subject
        if done.exists():
            yield False
            return
        with (self._folder / f"{subject}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            first = not done.exists()
            yield first
            if first:
                done.touch()


@contextmanager
def run_folder() -> Iterator[Path]:
    """The folder of a new run, held by this process; at the end its server is stopped and the folder deleted.

    Runs whose process was killed before it came to its end are ended by the next.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if (lock := _hold(left)) is not None:
            _end(left, lock)
    folder = enterable_folder(PREFIX)
    (folder / "held").touch()
    lock = _hold(folder)
    assert lock is not None
    try:
        yield folder
    finally:
        _end(folder, lock)


def _hold(folder: Path) -> IO[str] | None:
    """The lock by which a living process holds a run's folder, or None where another holds it or owns the folder."""
    held = folder / "held"
    if not held.exists() or held.stat().st_uid != os.geteuid():
        return None
    lock = held.open()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _end(folder: Path, lock: IO[str]) -> None:
    with lock:
        Databases(folder).close()
        shutil.rmtree(folder)
