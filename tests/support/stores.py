"""Databases with Oriz's schema in them, on each engine, for tests that stand on storage."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from oriz_matrix.storage import migrate
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.dialects.postgresql import Postgres
from oriz_matrix.storage.dialects.sqlite import Sqlite
from tests.support.databases import Databases

ENGINES = ("sqlite", "postgres")
THREADS = 3


@contextmanager
def new_dialect(engine: str, folder: Path, databases: Databases) -> Iterator[Dialect]:
    """A database of its own with the whole schema."""
    if engine == "sqlite":
        dialect: Dialect = Sqlite(folder / "oriz.db", Caches(), THREADS)
        _upgrade(dialect)
        yield dialect
        return
    with databases.database(schema_template(databases)) as url:
        yield Postgres(url, Caches(), THREADS)


def schema_template(databases: Databases) -> str:
    """The name of a PostgreSQL database with the whole schema, to be copied."""
    return databases.template("schema", lambda url: _upgrade(Postgres(url, Caches(), THREADS)))


@asynccontextmanager
async def running(dialect: Dialect) -> AsyncIterator[Database]:
    """The database while its threads run."""
    database = Database(dialect)
    database.start()
    try:
        yield database
    finally:
        await database.stop()


def _upgrade(dialect: Dialect) -> None:
    with dialect.session() as session:
        migrate.upgrade(dialect, session)
