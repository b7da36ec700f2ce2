"""What loadbench does not measure: how long others wait for their messages while a very large first sync is answered.

Four people send one message after the other for as long as somebody's first sync of 2,000 rooms is answered, and again
beside the next, until there are 200 messages. Asked and counted is what was sent before the sync was there.
"""

import asyncio
import hashlib
import hmac
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from tests.support.bench.contestants import Contestant, running
from tests.support.bench.measures import P50, P99, SYNC_S
from tests.support.postgres import enterable_folder

ROOMS = 2_000
MESSAGES = 200
OTHERS = 4
AT_ONCE = 8
REGISTER = "/_synapse/admin/v1/register"


class _Client:
    """A user of the server."""

    def __init__(self, http: ClientSession, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}

    async def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of the answer as it came: reading the JSON of a large one would make this process the slow one."""
        async with self._http.request(method, f"/_matrix/client/v3/{path}", json=body, headers=self._headers) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def room(self, name: str) -> str:
        """A new room."""
        body = {"preset": "private_chat", "name": name, "topic": f"About {name}"}
        room: str = json.loads(await self.ask("POST", "createRoom", body))["room_id"]
        return room


def measure(contestant: Contestant) -> dict[str, float]:
    """The figures of one run, on new data. Raises BenchFailed where the server does not start."""
    folder = enterable_folder("oriz-bench-")
    try:
        with running(contestant, Path(folder) / "oriz") as server:
            return asyncio.run(_play(server.state))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _play(state: Mapping[str, Any]) -> dict[str, float]:
    async with ClientSession(state["url"], timeout=ClientTimeout(600)) as http:
        alice, *others = [await _register(http, state["secret"], f"user{n}") for n in range(1 + OTHERS)]
        await _many_rooms(alice)
        places = [await other.room("Here") for other in others]
        waits: list[float] = []
        syncs: list[float] = []
        while len(waits) < MESSAGES:
            start = time.perf_counter()
            sync = asyncio.ensure_future(alice.ask("GET", "sync"))
            talks = [_talk(other, room, sync, len(syncs), waits) for other, room in zip(others, places, strict=True)]
            await asyncio.gather(sync, *talks)
            syncs.append(time.perf_counter() - start)
    return {P50: median(waits), P99: quantiles(waits, n=100)[98], SYNC_S: median(syncs)}


async def _many_rooms(user: _Client) -> None:
    """The user's rooms, with a message in each."""
    numbers = iter(range(ROOMS))

    async def make() -> None:
        for number in numbers:
            room = await user.room(f"Room {number}")
            await _said(user, room, 0)

    await asyncio.gather(*(make() for _ in range(AT_ONCE)))


async def _talk(user: _Client, room: str, sync: "asyncio.Future[bytes]", turn: int, waits: list[float]) -> None:
    """Says one thing after the other until the sync is answered; only what was sent before counts."""
    number = 0
    while not sync.done():
        waits.append(await _said(user, room, f"{turn}-{number}"))
        number += 1
        await asyncio.sleep(0.01)


async def _said(user: _Client, room: str, transaction: object) -> float:
    """How long a message took, in milliseconds."""
    start = time.perf_counter()
    content = {"msgtype": "m.text", "body": "hello"}
    await user.ask("PUT", f"rooms/{room}/send/m.room.message/{transaction}", content)
    return (time.perf_counter() - start) * 1000


async def _register(http: ClientSession, secret: str, name: str) -> _Client:
    async with http.get(REGISTER) as answer:
        nonce = (await answer.json())["nonce"]
    words = "\0".join([nonce, name, "password", "notadmin"]).encode()
    mac = hmac.new(secret.encode(), words, hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": name, "password": "password", "admin": False, "mac": mac}
    async with http.post(REGISTER, json=body) as answer:
        answer.raise_for_status()
        return _Client(http, (await answer.json())["access_token"])
