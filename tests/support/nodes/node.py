"""A homeserver as a process behind a line: started, killed, started again on the same data."""

import os
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession

from tests.support.in_process import Answer
from tests.support.nodes.authority import Authority
from tests.support.nodes.network import Line, Network
from tests.support.people import PASSWORD

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.01
DULL = re.compile(r".* answered .* status=[23]").match


@dataclass(frozen=True)
class World:
    """What the servers of one run share: files, the network, and the authority that they believe."""

    folder: Path
    network: Network
    authority: Authority


class Node(ABC):
    """One homeserver; `url` is for its clients, `name` (that of its line) for other servers."""

    software: str

    def __init__(self, world: World, letter: str, host: str) -> None:
        self.folder = world.folder / letter
        self.folder.mkdir(parents=True)
        self.authority = world.authority
        self.line: Line = world.network.line(host)
        self.log = self.folder / "server.log"
        self.log.touch()
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.line.name

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What to run; the configuration is written already."""

    @abstractmethod
    def find(self, said: str) -> bool:
        """Whether the server can be asked by now, after it has written `said` to its log; then `url` is set."""

    def launch(self) -> None:
        """Starts the process; `wait` waits until it answers."""
        assert self._process is None
        self._log_before = self.log.stat().st_size
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ORIZ_")}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in self.command()],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait(self) -> None:
        """Waits until the server answers."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self.find(self.log.read_bytes()[self._log_before :].decode(errors="replace")):
            assert self._process.poll() is None, f"{self.software} has ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.software} does not answer:\n{self.tail()}"
            time.sleep(POLL_SECONDS)

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        self.launch()
        self.wait()

    def kill(self) -> None:
        """Ends the process at once, in the midst of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends the process as an operator does."""
        self._end(signal.SIGTERM)

    def mend(self) -> None:
        """Brings back what a play has broken."""
        self.line.heal()
        if self._process is None or self._process.poll() is not None:
            self._process = None
            self.start()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None

    def tail(self, lines: int = 40) -> str:
        """The end of the log, without what was answered well."""
        return "\n".join(
            [line for line in self.log.read_text(errors="replace").splitlines() if not DULL(line)][-lines:]
        )


class NodeDoor:
    """A node as its clients meet it, wherever it listens now."""

    def __init__(self, node: Node, http: ClientSession) -> None:
        self.node = node
        self._http = http

    async def ask(self, method: str, path: str, body: Any = None, *, by: str | None = None) -> Answer:
        """Send one request; `path` stands below /_matrix/client."""
        headers = {} if by is None else {"Authorization": f"Bearer {by}"}
        data = None if body is None else msgspec.json.encode(body)
        full = path if path.startswith("/_") else f"/_matrix/client{path}"
        async with self._http.request(method, self.node.url + full, data=data, headers=headers) as response:
            return Answer(response.status, msgspec.json.decode(await response.read()))

    async def has_waiters(self) -> bool:
        """A process does not tell."""
        return True

    async def register(self, name: str) -> dict[str, Any]:
        """A new account; its credentials."""
        body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        answer = await self.ask("POST", "/v3/register", body)
        assert answer.status == 200, answer
        credentials: dict[str, Any] = answer.body
        return credentials
