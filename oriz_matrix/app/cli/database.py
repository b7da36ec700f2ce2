"""`oriz database`: upgrades the schema; and how commands explain why they cannot work with what is configured."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from oriz_matrix.app import database
from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, read_config
from oriz_matrix.app.database import NotUpgraded, OtherServer
from oriz_matrix.storage.errors import DatabaseUnavailable, TooNew


@contextmanager
def explained() -> Iterator[None]:
    """Ends the command with a sentence for what is wrong with the database, the data folder or a listener."""
    try:
        yield
    except TooNew as error:
        raise CommandFailed(str(error), ExitCode.DATABASE_TOO_NEW) from None
    except OtherServer as error:
        raise CommandFailed(str(error), ExitCode.OTHER_SERVER) from None
    except (DatabaseUnavailable, NotUpgraded) as error:
        raise CommandFailed(str(error), ExitCode.DATABASE) from None
    except OSError as error:
        if error.filename is None:  # only sockets have none
            raise CommandFailed(f"the server cannot listen: {error.strerror}", ExitCode.LISTENER) from None
        raise CommandFailed(f"{error.filename} cannot be used: {error.strerror}", ExitCode.FILE) from None


@click.group("database")
def command() -> None:
    """Upgrade the database."""


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
