"""`./dev server`: a server in a moment, told in one line, that can be stopped, started again and deleted."""

import json
import shlex
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import free_port
from tests.support.server import main, merged

KEYS = ["url", "pid", "db_pid", "secret", "server_name", "db", "exec", "pg_data"]
"""What the tools that start either server rely on, in the order of the one they knew first."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server, which is stopped afterwards."""
    yield tmp_path / "server"
    main(["stop", "--dir", str(tmp_path / "server"), "--delete"])


def start(folder: Path, *options: str) -> int:
    return main(["start", "--dir", str(folder), "--port", str(free_port()), *options])


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return found


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
def test_a_server_starts_answers_and_stops(engine: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(folder, "--db", engine, "--pg-port", str(free_port()), "--server-name", "one.example") == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    told = json.loads(printed)
    assert told == state(folder)
    assert list(told) == KEYS
    assert (told["db"], told["server_name"]) == (engine, "one.example")
    assert "v1.1" in versions(told["url"])
    processes = [told["pid"], *([told["db_pid"]] if engine == "postgres" else [])]
    assert all(map(runs, processes))
    assert main(["stop", "--dir", str(folder)]) == 0
    assert not any(map(runs, processes))
    assert folder.exists()
    assert main(["stop", "--dir", str(folder), "--delete"]) == 0
    assert not folder.exists()
    assert told["pg_data"] is None or not Path(told["pg_data"]).exists()


def test_the_certificate_is_for_the_loopback_address(folder: Path) -> None:
    port = free_port()
    assert start(folder, "--tls-port", str(port)) == 0
    assert state(folder)["server_name"] == f"127.0.0.1:{port}"
    assert versions(f"https://127.0.0.1:{port}", folder / "tls.crt")


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_exec_starts_it_again_on_the_same_data_from_anywhere(engine: str, folder: Path) -> None:
    assert start(folder, "--db", engine, "--pg-port", str(free_port())) == 0
    told = state(folder)
    main(["stop", "--dir", str(folder), "--keep-db"])
    with subprocess.Popen(shlex.split(told["exec"]), cwd="/") as process:
        assert eventually(lambda: versions(told["url"]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_a_folder_of_its_own_is_emptied_and_what_runs_there_ended(folder: Path) -> None:
    assert start(folder) == 0
    first = state(folder)["pid"]
    (folder / "scribble").touch()
    assert start(folder) == 0
    assert not runs(first)
    assert not (folder / "scribble").exists()


def test_a_strange_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter").touch()
    assert start(tmp_path) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main(["stop", "--dir", str(tmp_path), "--delete"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_a_server_that_does_not_come_up_is_explained(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text("limits: {rates: {enabled: perhaps}}")
    assert start(folder, "--extra", str(extra)) == 1
    complaint = capsys.readouterr().err
    assert "the server ended with code" in complaint
    assert "limits.rates.enabled" in complaint


def test_extra_options_are_merged_section_by_section() -> None:
    below = {"limits": {"rates": {"enabled": False}, "event_page": 5}, "listeners": [{"port": 1}]}
    above = {"limits": {"rates": {"enabled": True}}, "listeners": [], "rooms": {}}
    assert merged(below, above) == {
        "limits": {"rates": {"enabled": True}, "event_page": 5},
        "listeners": [],
        "rooms": {},
    }


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
