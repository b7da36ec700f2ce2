"""A server process that is killed at random moments and started again, and people who go on talking through it."""

import asyncio
import json
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.support.postgres import Cluster, free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
AGAIN_AFTER_S = 0.03
EVERYTHING = json.dumps({"room": {"timeline": {"limit": 100_000}}})

Json = dict[str, Any]


class Victim:
    """A throw-away server whose data is as durable as in production."""

    def __init__(self, engine: str, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        options = ["--port", str(self._port), "--db", engine, "--pg-port", str(free_port())]
        _throw_away_server("start", "--dir", str(folder), *options)
        _throw_away_server("stop", "--dir", str(folder), "--keep-db")
        state = json.loads((folder / "state.json").read_text())
        self.url: str = state["url"]
        self.cluster = Cluster(Path(state["pg_data"]).parent) if state["pg_data"] else None
        self._command = shlex.split(state["exec"])
        self._pg_port = int(self.cluster.url().rsplit(":", 1)[1].split("/")[0]) if self.cluster else 0
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "again.log").open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill_server(self) -> None:
        """Kills the server, and starts it again."""
        assert self._process.poll() is None, (self._folder / "again.log").read_text()[-2000:]
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = self._start()

    def crash_database(self) -> None:
        """Ends PostgreSQL at once, without a checkpoint, and starts it again; the server, once it runs, is not told."""
        assert self.cluster is not None
        self._await_answer()
        self.cluster.crash()
        self.cluster.start(self._pg_port)

    def _await_answer(self) -> None:
        """Without its database a server does not start; it says so and ends."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                urlopen(f"{self.url}/_matrix/client/versions", timeout=START_SECONDS).close()
            except OSError:
                time.sleep(AGAIN_AFTER_S)
            else:
                return

    def __enter__(self) -> "Victim":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        _throw_away_server("stop", "--dir", str(self._folder), "--delete")


def _throw_away_server(*arguments: str) -> None:
    """What `./dev server` does, with the environment of this test."""
    command = [sys.executable, "-m", "tests.support.server", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    assert done.returncode == 0, done.stderr


@dataclass
class Told:
    """What the server has answered 200 to, in order, to each person: event ids; and what each event said."""

    by_person: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    said: dict[str, str] = field(default_factory=dict)
    asked_again: int = 0


class Person:
    """Somebody who repeats each request until it is answered with 200."""

    def __init__(self, http: ClientSession, told: Told, name: str) -> None:
        self._http = http
        self._told = told
        self.name = name
        self.token = ""
        self.user_id = ""

    async def ask(self, method: str, path: str, body: Json | None = None, **query: Any) -> Any:
        """One request; whatever went wrong, it is sent again in the same words."""
        end = time.monotonic() + START_SECONDS
        while True:
            answer = await self._once(method, path, body, query)
            if answer is not None:
                return answer
            assert time.monotonic() < end, f"{method} {path} is never answered"
            self._told.asked_again += 1
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _once(self, method: str, path: str, body: Json | None, query: Json) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with self._http.request(
                method, f"/_matrix/client/v3{path}", json=body, params=query, headers=headers
            ) as response:
                answer = await response.json()
        except (ClientError, OSError, TimeoutError, json.JSONDecodeError):
            return None
        assert response.status == 200 or response.status >= 500, (method, path, answer)
        return answer if response.status == 200 else None

    async def register(self) -> None:
        """Makes an account."""
        body = {"username": self.name, "password": "password", "auth": {"type": "m.login.dummy"}}
        answer = await self.ask("POST", "/register", body)
        self.token, self.user_id = answer["access_token"], answer["user_id"]

    async def talk(self, room: str, until: float, source: random.Random) -> None:
        """Messages, state of one's own, leaving and coming back: each known by its text."""
        number = 0
        base = f"/rooms/{quote(room, safe='')}"
        while time.monotonic() < until:
            number += 1
            text = f"{self.name} {number}"
            kind = source.choice(["message", "message", "message", "state", "member"])
            if kind == "message":
                answer = await self.ask("PUT", f"{base}/send/m.room.message/{number}", {"body": text})
            elif kind == "state":
                answer = await self.ask("PUT", f"{base}/state/test.state/{self.name}", {"body": text})
            else:
                content = {"membership": "join", "body": text}
                answer = await self.ask("PUT", f"{base}/state/m.room.member/{quote(self.user_id)}", content)
            event_id = answer["event_id"]
            assert event_id not in self._told.said, "one event for two requests"
            self._told.said[event_id] = text
            self._told.by_person[self.name].append(event_id)

    async def history(self, room: str) -> list[Json]:
        """All that /messages has, oldest first."""
        found: list[Json] = []
        query: Json = {"dir": "f", "limit": 1000}
        while True:
            page = await self.ask("GET", f"/rooms/{quote(room, safe='')}/messages", **query)
            found += page["chunk"]
            if "end" not in page or not page["chunk"]:
                return found
            query["from"] = page["end"]


class Follower(Person):
    """Somebody who syncs all the time, and keeps the token through every crash."""

    def __init__(self, http: ClientSession, told: Told, name: str) -> None:
        super().__init__(http, told, name)
        self.seen: list[str] = []
        self._since: str | None = None

    async def sync(self, room: str, timeout_ms: int = 0) -> int:
        """One sync; how many events it brought."""
        query: Json = {"filter": EVERYTHING, "timeout": timeout_ms, **({"since": self._since} if self._since else {})}
        answer = await self.ask("GET", "/sync", **query)
        self._since = answer["next_batch"]
        timeline = answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {"events": []})
        assert not timeline.get("limited"), "a gap"
        self.seen += [event["event_id"] for event in timeline["events"]]
        return len(timeline["events"])

    async def follow(self, room: str, until: float) -> None:
        """Syncs until the time is over."""
        while time.monotonic() < until:
            await self.sync(room, 1_000)


def open_http(victim: Victim) -> ClientSession:
    """Connections to the server."""
    return ClientSession(victim.url, timeout=ClientTimeout(total=10))
