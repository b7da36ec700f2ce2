"""`oriz users create` and `oriz database upgrade` write to the database themselves, beside a running server or not."""

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import Result

from oriz_matrix.app.cli.exits import ExitCode
from oriz_matrix.base.config.model import Config
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import accounts, migrate, profiles
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.dialects.postgresql import Postgres
from oriz_matrix.storage.dialects.sqlite import Sqlite
from oriz_matrix.storage.transaction import Transaction
from tests.cli.commands import PASSWORD, ROOT, oriz, write
from tests.support.in_process import homeserver, open_config


def create(config: Config, *arguments: str) -> Result:
    """`oriz users create`."""
    return oriz(config, "users", "create", *arguments, "--password-file", str(config.data_dir.parent / "password"))


def dialect(config: Config) -> Dialect:
    """The database that the commands write to."""
    if config.database.url is None:
        return Sqlite(config.sqlite_path, Caches(), 1)
    return Postgres(config.database.url.reveal(), Caches(), 1)


def test_the_first_user_is_made_before_the_server_ever_ran(config: Config) -> None:
    result = create(config, "alice", "--admin")
    assert (result.exit_code, result.output) == (0, "@alice:example.org can log in now.\n")
    with dialect(config).session() as session, session.transaction():
        tx = Transaction(session, Caches())
        found = accounts.find(tx, UserId("@alice:example.org"))
        assert found is not None
        assert (found.is_admin, found.is_guest) == (True, False)
        assert profiles.get(tx, found.user) == {"displayname": "alice"}
    assert create(config, "bob").exit_code == 0


async def test_a_running_server_knows_the_user_at_once(config: Config) -> None:
    async with homeserver(config) as server:
        await server.person("alice")
        made = await asyncio.to_thread(create, config, "bob")
        assert made.exit_code == 0, made.output
        login = {"type": "m.login.password", "user": "bob", "password": PASSWORD}
        assert (await server.ask("POST", "/v3/login", login)).status == 200
        again = await asyncio.to_thread(create, config, "alice")
        assert (again.exit_code, again.stderr) == (ExitCode.EXISTS, "Error: @alice:example.org exists already\n")


def test_a_database_of_another_server_is_left_alone(config: Config) -> None:
    assert create(config, "alice").exit_code == 0
    write(config.data_dir.parent, msgspec.structs.replace(config, server_name="example.com"))
    for result in (create(config, "bob"), oriz(config, "run")):
        assert result.exit_code == ExitCode.OTHER_SERVER
        assert result.stderr.startswith("Error: the database belongs to the server example.org, and")


def test_the_schema_is_upgraded_when_asked_for(config: Config) -> None:
    result = oriz(config, "database", "upgrade")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == len(migrate.steps())
    assert oriz(config, "database", "upgrade").output == "The database is up to date.\n"


def test_an_older_database_is_not_upgraded_in_passing(config: Config) -> None:
    assert create(config, "alice").exit_code == 0
    forget_steps(config, "DELETE FROM schema_steps WHERE number > 1")
    result = create(config, "bob")
    assert result.exit_code == ExitCode.DATABASE
    assert "oriz database upgrade" in result.stderr


def test_a_newer_database_is_refused(config: Config) -> None:
    assert create(config, "alice").exit_code == 0
    forget_steps(config, "INSERT INTO schema_steps VALUES (9999, 'from the future')")
    for result in (create(config, "bob"), oriz(config, "database", "upgrade")):
        assert result.exit_code == ExitCode.DATABASE_TOO_NEW
        assert result.stderr.count("\n") == 1


def forget_steps(config: Config, sql: str) -> None:
    """Makes the database look older or newer."""
    with dialect(config).session() as session, session.transaction():
        session.run(sql, {})


@pytest.mark.parametrize(
    ("name", "sentence"), [("Al ice", "may only hold"), ("@alice:example.org", "may only hold"), ("x" * 300, "longer")]
)
def test_names_have_their_grammar(local: Config, name: str, sentence: str) -> None:
    result = create(local, name)
    assert result.exit_code == ExitCode.REFUSED
    assert sentence in result.stderr


def test_passwords_have_their_length(local: Config) -> None:
    (local.data_dir.parent / "password").write_text("short")
    result = create(local, "alice")
    assert (result.exit_code, result.stderr) == (ExitCode.REFUSED, "Error: The password needs 8 characters or more\n")


def test_without_a_terminal_a_file_is_needed(local: Config) -> None:
    result = oriz(local, "users", "create", "alice")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "Error: there is no terminal to ask for the password: use --password-file\n"


def test_a_file_that_is_not_there_is_said(local: Config) -> None:
    (local.data_dir.parent / "password").unlink()
    result = create(local, "alice")
    assert result.exit_code == ExitCode.FILE
    assert result.stderr.endswith("password cannot be read: No such file or directory\n")


def test_a_data_folder_that_cannot_be_made_is_said(local: Config) -> None:
    local.data_dir.write_text("a file in its place")
    result = create(local, "alice")
    assert result.exit_code == ExitCode.FILE
    assert result.stderr == f"Error: {local.data_dir} cannot be used: File exists\n"


def test_what_is_no_database_is_said(local: Config) -> None:
    local.data_dir.mkdir()
    local.sqlite_path.write_text("no database " * 1000)
    result = create(local, "alice")
    assert result.exit_code == ExitCode.DATABASE
    assert result.stderr.count("\n") == 1


def test_a_database_that_does_not_answer_is_said(tmp_path: Path) -> None:
    config = write(tmp_path, open_config(tmp_path / "data", "postgresql://oriz@127.0.0.1:1/nothing"))
    result = create(config, "alice")
    assert result.exit_code == ExitCode.DATABASE
    assert result.stderr.startswith("Error: cannot connect to the database")


def test_on_a_terminal_the_password_is_asked_for_twice(local: Config) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "oriz_matrix", "users", "create", "alice", "-c"]
    process = subprocess.Popen(
        [*command, str(local.data_dir.parent / "oriz.yaml")], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT
    )
    os.close(theirs)
    shown = b""
    for _ in range(2):
        while not shown.endswith(b": "):
            shown += os.read(ours, 1000)
        os.write(ours, f"{PASSWORD}\n".encode())
        shown += os.read(ours, 1)
    assert process.wait(30) == 0
    os.close(ours)
    assert PASSWORD.encode() not in shown
