"""`oriz database`: the schema and the sizes; and how commands explain why they cannot work with what is configured."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from oriz_matrix.app import database
from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, json_option, limit_option, read_config
from oriz_matrix.app.cli.tables import size, table
from oriz_matrix.app.database import NotMade, NotUpgraded, OtherServer
from oriz_matrix.services import statistics
from oriz_matrix.services.statistics import DatabaseSize
from oriz_matrix.storage.errors import DatabaseUnavailable, KeyReused, TooNew


@contextmanager
def explained() -> Iterator[None]:
    """Ends the command with a sentence for what is wrong with the database, the data folder or a listener."""
    try:
        yield
    except TooNew as error:
        raise CommandFailed(str(error), ExitCode.DATABASE_TOO_NEW) from None
    except OtherServer as error:
        raise CommandFailed(str(error), ExitCode.OTHER_SERVER) from None
    except KeyReused as error:
        raise CommandFailed(str(error), ExitCode.CONFIG) from None
    except (DatabaseUnavailable, NotMade, NotUpgraded) as error:
        raise CommandFailed(str(error), ExitCode.DATABASE) from None
    except OSError as error:
        if error.filename is None:  # only sockets have none
            raise CommandFailed(f"the server cannot listen at {error.strerror}", ExitCode.LISTENER) from None
        raise CommandFailed(f"{error.filename} cannot be used: {error.strerror}", ExitCode.FILE) from None


@click.group("database")
def command() -> None:
    """Upgrade the database, and see what takes its space."""


@command.command()
@config_option
def upgrade(file: Path) -> None:
    """Bring the database to the form that this version of Oriz needs, as a start of the server does."""
    config = read_config(file)
    with explained():
        steps = database.upgrade(config)
    for step in steps:
        click.echo(f"Ran the step {step}.")
    if not steps:
        click.echo("The database is up to date.")


@command.command("size")
@config_option
@limit_option(20)
@json_option
def show_size(file: Path, limit: int, *, as_json: bool) -> None:
    """Show what each table and each room takes. Reads much of the database, so it can last on a large one."""
    config = read_config(file)
    with explained():
        found = database.look(config, lambda tx: statistics.measure(tx, limit or None))
    click.echo(msgspec.json.encode(found) if as_json else _size_text(found))


def _size_text(found: DatabaseSize) -> str:
    tables = [(each.table, each.rows, size(each.bytes), size(each.index_bytes)) for each in found.tables]
    rooms = [(each.room_id, each.name, each.events, size(each.bytes)) for each in found.rooms]
    parts = [
        f"The database takes {size(found.total_bytes)}; {size(found.free_bytes)} of it are free for what comes."
        if found.free_bytes
        else f"The database takes {size(found.total_bytes)}.",
        table(("TABLE", "ROWS", "SIZE", "OF IT INDEXES"), tables),
        table(("ROOM", "NAME", "EVENTS", "SIZE"), rooms),
        f"{len(rooms)} of {found.room_count} rooms. What a room takes is its share of each table, an estimate.",
    ]
    if found.log_bytes:
        parts.insert(1, f"Beside it stands the write-ahead log, {size(found.log_bytes)}, which a clean stop empties.")
    if found.estimated:
        parts.append("The sizes of tables are estimated from their rows, because this engine does not tell them.")
    return "\n\n".join(parts)
