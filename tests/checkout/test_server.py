"""`./dev server`: a server in a moment, told in one line, that can be stopped, started again and deleted."""

import json
import shlex
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import free_port
from tests.support.server import merged

ROOT = Path(__file__).parents[2]

KEYS = ["url", "pid", "db_pid", "secret", "server_name", "db", "exec", "pg_data"]
"""What the tools that start either server rely on, in the order of the one they knew first."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server, which is stopped afterwards."""
    yield tmp_path / "server"
    dev_server("stop", tmp_path / "server", "--delete")


def dev_server(action: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What `./dev server` runs, in the environment of the tests."""
    command = [sys.executable, "-m", "tests.support.server", action, "--dir", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def start(folder: Path, *options: str) -> dict[str, Any]:
    """Start a server that must come up, and return what was printed."""
    done = dev_server("start", folder, "--port", str(free_port()), *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def versions(url: str, certificate: Path | None = None) -> list[str]:
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    with urllib.request.urlopen(f"{url}/_matrix/client/versions", timeout=10, context=context) as answer:
        found: list[str] = json.load(answer)["versions"]
        return found


def runs(pid: int) -> bool:
    """Whether the process is there, and more than the remains of one."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_server_starts_answers_and_stops(engine: str, folder: Path) -> None:
    told = start(folder, "--db", engine, "--pg-port", str(free_port()), "--server-name", "one.example")
    assert told == json.loads((folder / "state.json").read_text())
    assert list(told) == KEYS
    assert (told["db"], told["server_name"]) == (engine, "one.example")
    assert "v1.1" in versions(told["url"])
    processes = [told["pid"], *([told["db_pid"]] if engine == "postgres" else [])]
    assert all(map(runs, processes))
    assert dev_server("stop", folder).returncode == 0
    assert not any(map(runs, processes))
    assert folder.exists()
    assert dev_server("stop", folder, "--delete").returncode == 0
    assert not folder.exists()
    assert told["pg_data"] is None or not Path(told["pg_data"]).exists()


def test_the_certificate_is_for_the_loopback_address(folder: Path) -> None:
    port = free_port()
    assert start(folder, "--tls-port", str(port))["server_name"] == f"127.0.0.1:{port}"
    assert versions(f"https://127.0.0.1:{port}", folder / "tls.crt")


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_exec_starts_it_again_on_the_same_data_from_anywhere(engine: str, folder: Path) -> None:
    told = start(folder, "--db", engine, "--pg-port", str(free_port()))
    token = register(told["url"])
    dev_server("stop", folder, "--keep-db")
    with subprocess.Popen(shlex.split(told["exec"]), cwd="/", stderr=subprocess.DEVNULL) as process:
        assert eventually(lambda: versions(told["url"]))
        assert whoami(told["url"], token) == f"@alice:{told['server_name']}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_a_folder_of_its_own_is_emptied_and_what_runs_there_ended(folder: Path) -> None:
    first = start(folder)["pid"]
    (folder / "scribble").touch()
    start(folder)
    assert not runs(first)
    assert not (folder / "scribble").exists()


def test_a_strange_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    refused = dev_server("start", tmp_path, "--port", str(free_port()))
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert dev_server("stop", tmp_path, "--delete").returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_a_server_that_does_not_come_up_is_explained(folder: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text("limits: {rates: {enabled: perhaps}}")
    failed = dev_server("start", folder, "--port", str(free_port()), "--extra", str(extra))
    assert failed.returncode == 1
    assert "the server ended with code" in failed.stderr
    assert "limits.rates.enabled" in failed.stderr


def test_extra_options_are_merged_section_by_section() -> None:
    below = {"limits": {"rates": {"enabled": False}, "event_page": 5}, "listeners": [{"port": 1}]}
    above = {"limits": {"rates": {"enabled": True}}, "listeners": [], "rooms": {}}
    assert merged(below, above) == {
        "limits": {"rates": {"enabled": True}, "event_page": 5},
        "listeners": [],
        "rooms": {},
    }


def register(url: str) -> str:
    """Make the account of alice, and return her access token."""
    body = {"username": "alice", "password": "wonderland", "auth": {"type": "m.login.dummy"}}
    request = urllib.request.Request(f"{url}/_matrix/client/v3/register", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        token: str = json.load(answer)["access_token"]
        return token


def whoami(url: str, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{url}/_matrix/client/v3/account/whoami", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        user: str = json.load(answer)["user_id"]
        return user


def eventually(question: Any, seconds: float = 20) -> Any:
    """The first true answer; a refused connection counts as none."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := question():
                return answer
        except OSError:
            pass
        time.sleep(0.02)
    return None
