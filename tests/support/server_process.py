"""A homeserver as a process of its own, for the tests that need a real socket.

It is started and stopped by `./dev server`, as benchmarks and demonstrations do. The environment variable
`ORIZ_TEST_URL` names a homeserver that runs already, of whatever make: the tests then talk to that one and start
nothing. It must let everybody register with m.login.dummy and must have its rate limits out of reach.
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """Where a running server answers; `secret` is for shared-secret registration, empty where nobody told it."""

    url: str
    secret: str


def servers_to_test() -> list[str]:
    """The database engines to start a server on, or the one word for a server that runs already."""
    return [ELSEWHERE] if "ORIZ_TEST_URL" in os.environ else ["sqlite", "postgres"]


@contextmanager
def server_process(engine: str, folder: Path, extra: Path | None = None) -> Iterator[ServerProcess]:
    """A server on that engine, with its data in `folder`, which is deleted afterwards; `extra` changes its settings."""
    if engine == ELSEWHERE:
        yield ServerProcess(os.environ["ORIZ_TEST_URL"].rstrip("/"), os.environ.get("ORIZ_TEST_SECRET", ""))
        return
    port, pg_port = _free_ports(2)
    options = ["--dir", folder, "--port", port, "--db", engine, "--pg-port", pg_port]
    options += [] if extra is None else ["--extra", extra]
    try:
        answer = _dev_server("start", *map(str, options))
        state = json.loads(answer)
        yield ServerProcess(state["url"], state["secret"])
    finally:
        if (folder / "state.json").exists():
            _dev_server("stop", "--dir", str(folder), "--delete")


def _dev_server(*arguments: str) -> str:
    """What `./dev server` printed; its complaint becomes the test's."""
    done = subprocess.run(
        [str(ROOT / "dev"), "server", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"./dev server {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody holds at this moment, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
