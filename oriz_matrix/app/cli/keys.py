"""`oriz keys`: makes the key that signs for this server."""

from pathlib import Path

import click

from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.base import signing_key
from oriz_matrix.base.ids import Ids


@click.group("keys")
def command() -> None:
    """Make signing keys."""


@command.command()
@click.option("--output", "file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="The new file.")
def generate(file: Path) -> None:
    """Write a new signing key to a new file, which only its owner can read."""
    try:
        key = signing_key.create(file, Ids())
    except FileExistsError:
        raise CommandFailed(f"{file} exists already, and keys are not overwritten", ExitCode.EXISTS) from None
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}", ExitCode.FILE) from None
    click.echo(f"{file} holds the new key {key.key_id}; its public half is {key.verify_key.to_base64()}")
