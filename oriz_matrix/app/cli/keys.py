"""`oriz keys`: makes the key that signs for this server, and replaces it."""

from pathlib import Path

import click

from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, read_config
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


@command.command()
@config_option
def rotate(file: Path) -> None:
    """Replace the server's signing key by a new one, with which it signs from its next start on.

    The old one is kept beside it, and stays published for what it has signed.
    """
    path = read_config(file).signing_key_path
    try:
        kept = signing_key.rotate(path, Ids())
    except FileExistsError as error:
        raise CommandFailed(f"{error.filename} exists already, and keys are not overwritten", ExitCode.EXISTS) from None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be replaced: {error.strerror}", ExitCode.FILE) from None
    except ValueError:
        raise CommandFailed(f"{path} holds no signing key", ExitCode.FILE) from None
    click.echo(f"{path} holds the new key {signing_key.read(path).key_id}, for the next start; {kept} the old one")
