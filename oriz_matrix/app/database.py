"""Opens the configured database: for a server, and for a command that changes or reads something beside one."""

import errno
import os
from collections.abc import Callable
from typing import TypeVar

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config, Engine
from oriz_matrix.storage import migrate, positions
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect, Session
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.transaction import Transaction

T = TypeVar("T")


class OtherServer(StorageError):
    """The database belongs to a server of another name, which is in every event and can never be changed."""


class NotUpgraded(StorageError):
    """The database was made by an older Oriz, and upgrading it is not for a command to decide."""


class NotMade(StorageError):
    """There is no database yet, and a command that only reads makes none."""


def open_dialect(config: Config, clock: Clock) -> Dialect:
    """The database, made or upgraded, named, with its positions raised to the clock; its threads are not started.

    Raises OtherServer, TooNew, DatabaseUnavailable, and OSError where the data folder cannot be made.
    """
    make_data_folder(config)
    dialect = _dialect(config)
    with dialect.session() as session:
        migrate.upgrade(dialect, session)
        with session.transaction():
            _claim(Transaction(session, Caches()), config, clock)
        positions.raise_to_clock(session, clock.now_ms())
    return dialect


def upgrade(config: Config) -> list[str]:
    """Runs the schema steps that are missing, makes the database if there is none; the names of the steps."""
    make_data_folder(config)
    dialect = _dialect(config)
    with dialect.session() as session:
        return migrate.upgrade(dialect, session)


def change(config: Config, clock: Clock, job: Callable[[Transaction], T]) -> T:
    """Runs `job` in one transaction, whether a server runs on the database or not; makes the database if there is none.

    Raises what `open_dialect` raises, and NotUpgraded.
    """
    make_data_folder(config)
    dialect = _dialect(config)
    with dialect.session() as session:
        _require_schema(dialect, session)
        with session.transaction():
            tx = Transaction(session, Caches())
            _claim(tx, config, clock)
            return job(tx)


def look(config: Config, job: Callable[[Transaction], T]) -> T:
    """Runs `job` on one state of the database, whether a server runs on it or not; changes nothing, holds up nobody.

    Raises DatabaseUnavailable, NotMade, NotUpgraded, TooNew and OtherServer.
    """
    if config.database.engine is Engine.SQLITE and not config.sqlite_path.exists():
        raise NotMade(f"there is no database {config.sqlite_path} yet; the first start of the server makes it")
    with _dialect(config).look() as session:
        if not migrate.is_made(session):
            raise NotMade("the database is empty yet; the first start of the server fills it")
        _require_upgraded(session)
        tx = Transaction(session, Caches())
        _require_name(migrate.name(tx) or config.server_name, config)
        return job(tx)


def make_data_folder(config: Config) -> None:
    """Makes the data folder where it is missing. Raises OSError, which names it, where nothing can be written there."""
    folder = config.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _dialect(config: Config) -> Dialect:
    """The engine's dialect. Only it is imported: PostgreSQL's client takes 9 MiB of memory."""
    settings = config.database
    if settings.engine is Engine.SQLITE:
        from oriz_matrix.storage.dialects.sqlite import Sqlite  # noqa: PLC0415

        return Sqlite(config.sqlite_path, Caches(), settings.read_threads)
    from oriz_matrix.storage.dialects.postgresql import Postgres  # noqa: PLC0415

    assert settings.url is not None, "the configuration was checked"
    return Postgres(settings.url.reveal(), Caches(), settings.read_threads)


def _require_schema(dialect: Dialect, session: Session) -> None:
    if migrate.is_new(session):
        migrate.upgrade(dialect, session)
    else:
        _require_upgraded(session)


def _require_upgraded(session: Session) -> None:
    if migrate.missing(session):
        raise NotUpgraded("the database was made by an older Oriz; start the server, or run `oriz database upgrade`")


def _claim(tx: Transaction, config: Config, clock: Clock) -> None:
    _require_name(migrate.claim_name(tx, config.server_name, clock.now_ms()), config)


def _require_name(held: str, config: Config) -> None:
    if held != config.server_name:
        raise OtherServer(
            f"the database belongs to the server {held}, and server_name says {config.server_name}; "
            "a server's name can never be changed"
        )
