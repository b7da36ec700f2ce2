"""`oriz users`: makes accounts, in the database itself, whether the server runs or not."""

import sys
from pathlib import Path

import click

from oriz_matrix.app import database
from oriz_matrix.app.cli.database import explained
from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, read_config
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from oriz_matrix.protocol.errors import MatrixError
from oriz_matrix.protocol.identifiers import ServerName, new_user_id
from oriz_matrix.services.accounts import creation
from oriz_matrix.services.accounts.creation import NewUser
from oriz_matrix.services.accounts.passwords import Hasher
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.errors import Duplicate


@click.group("users")
def command() -> None:
    """Make accounts."""


@command.command()
@click.argument("name")
@config_option
@click.option("--admin", is_flag=True, help="Let the user administrate this server.")
@click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file whose first line is the password; without it the password is asked for.",
)
def create(name: str, file: Path, *, admin: bool, password_file: Path | None) -> None:
    """Make an account; NAME is the part between @ and : of the user id."""
    config = read_config(file)
    password = _ask() if password_file is None else _read(password_file)
    user = _new_user(config, name, password, admin=admin)
    clock = Clock()
    try:
        with explained():
            database.change(config, clock, lambda tx: creation.store(tx, user, None, clock.now_ms()))
    except Duplicate:
        raise CommandFailed(f"{user.account.user_id} exists already", ExitCode.EXISTS) from None
    click.echo(f"{user.account.user_id} can log in now.")


def _new_user(config: Config, name: str, password: str, *, admin: bool) -> NewUser:
    hasher = Hasher(config.passwords)
    try:
        user_id = new_user_id(name, ServerName(config.server_name))
        hasher.check(password)
    except MatrixError as error:
        raise CommandFailed(error.message, ExitCode.REFUSED) from None
    account = NewAccount(user_id, hasher.hash(password), is_admin=admin)
    return NewUser(account=account, display_name=name)


def _ask() -> str:
    """The password, typed twice on a terminal."""
    if not sys.stdin.isatty():
        raise CommandFailed("there is no terminal to ask for the password: use --password-file", ExitCode.USAGE)
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].removesuffix("\r")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}", ExitCode.FILE) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} cannot be read: it is not in UTF-8", ExitCode.FILE) from None
