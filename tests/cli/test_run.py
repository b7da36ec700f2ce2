"""`oriz run` says in one sentence why it cannot start, with the exit code that scripts know; or what runs."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

import pytest
from click.testing import Result

from oriz_matrix import __version__
from oriz_matrix.app.cli.exits import ExitCode
from oriz_matrix.base.config.model import Config
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects.sqlite import Sqlite
from tests.cli.commands import ROOT, file_of, oriz, write

NOBODY = 65534


def run_at(config: Config, **listener: object) -> Result:
    """Start with one listener, which will not do."""
    write(config.data_dir.parent, config, listeners=[listener])
    return oriz(config, "run")


def test_a_port_in_use_is_said(local: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_at(local, port=port)
    assert result.exit_code == ExitCode.LISTENER
    assert result.stderr == f"Error: the server cannot listen at 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("listener", "sentence"),
    [
        ({"port": 8008, "address": "192.0.2.1"}, "192.0.2.1:8008: Cannot assign requested address"),
        ({"port": 8008, "address": "2001:db8::1"}, "[2001:db8::1]:8008: Cannot assign requested address"),
        ({"port": 8008, "address": "no.such.host.invalid"}, "no.such.host.invalid:8008: "),
        ({"socket": "/no/such/folder/client.sock"}, "/no/such/folder/client.sock: No such file or directory"),
    ],
)
def test_an_address_that_is_not_ours_is_said(local: Config, listener: dict[str, object], sentence: str) -> None:
    result = run_at(local, **listener)
    assert result.exit_code == ExitCode.LISTENER, result.output
    assert result.stderr.startswith(f"Error: the server cannot listen at {sentence}")
    assert result.stderr.count("\n") == 1


def test_a_certificate_that_is_none_is_said(local: Config, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    result = run_at(local, port=0, tls={"certificate": "cert.pem", "key": "key.pem"})
    assert result.exit_code == ExitCode.LISTENER
    assert result.stderr.startswith("Error: the server cannot listen at 127.0.0.1:0: ")
    assert result.stderr.count("\n") == 1


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """As a user who owns nothing here, where the tests run as root, who may write anywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_data_folder_that_cannot_be_written_is_said(local: Config) -> None:
    folder = local.data_dir
    run_at(local, socket="/no/such/folder/client.sock")  # after this nothing is left to be imported
    write(folder.parent, local)
    ours = [parent for parent in folder.parents if parent.is_relative_to(gettempdir()) and parent != Path(gettempdir())]
    for each in (*ours, file_of(local)):  # pytest's folders are closed to others
        each.chmod(0o755)
    folder.chmod(0o555)
    with as_somebody_else():
        result = oriz(local, "run")
    assert (result.exit_code, result.stderr) == (
        ExitCode.FILE,
        f"Error: {folder} cannot be used: Permission denied\n",
    )


def test_a_log_that_cannot_be_written_is_said(local: Config) -> None:
    write(local.data_dir.parent, local, logging={"file": "/no/such/folder/oriz.log"})
    result = oriz(local, "run")
    assert result.exit_code == ExitCode.FILE
    assert result.stderr == "Error: /no/such/folder/oriz.log cannot be used: No such file or directory\n"


def test_a_newer_database_is_refused(local: Config) -> None:
    assert oriz(local, "database", "upgrade").exit_code == ExitCode.OK
    with Sqlite(local.sqlite_path, Caches(), 1).session() as session:
        session.run("INSERT INTO schema_steps VALUES (9999, 'from the future')", {})
    result = oriz(local, "run")
    assert result.exit_code == ExitCode.DATABASE_TOO_NEW
    assert result.stderr.startswith("Error: the database has schema step 9999, newer than this version")


async def test_what_runs_is_told_once_in_the_log(config: Config) -> None:
    log = config.data_dir.parent / "oriz.log"
    options = {"listeners": [{"port": 0}], "logging": {"format": "json", "file": "oriz.log"}}
    write(config.data_dir.parent, config, **options)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "oriz_matrix", "run", "--config", str(file_of(config))),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        address = (await process.stderr.readline()).decode().removeprefix("Listening on ").strip()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [started] = [line for line in lines if line["event"] == "started"]
    assert (started["version"], started["server_name"]) == (__version__, "example.org")
    assert (started["engine"], started["addresses"]) == (config.database.engine.value, [address])
