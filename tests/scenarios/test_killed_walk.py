"""The random walk on a server that is killed in between: clients go on from their old tokens, and nothing is missing.

It is killed while people act and clients sync; who gets no answer asks again in the same words.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from tests.durability.victim import AGAIN_AFTER_S, START_SECONDS, Victim, open_http
from tests.scenarios.playing import NAMES, Play
from tests.support import soak
from tests.support.in_process import Answer
from tests.support.people import PASSWORD, User
from tests.support.stores import ENGINES

STEPS = 30
KILLS = 10
"""Steps from one kill to the next; then everything is compared."""
QUICK_SECONDS = 1.0


class Stubborn:
    """A door to a server that may be down: whoever comes through it asks until there is an answer."""

    def __init__(self, http: ClientSession) -> None:
        self._http = http

    async def ask(self, method: str, path: str, body: Any = None, *, by: str | None = None) -> Answer:
        """One request below /_matrix/client."""
        headers = {} if by is None else {"Authorization": f"Bearer {by}"}
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    async with self._http.request(
                        method, f"/_matrix/client{path}", json=body, headers=headers
                    ) as response:
                        return Answer(response.status, await response.json())
                except (ClientError, OSError, json.JSONDecodeError):
                    await asyncio.sleep(AGAIN_AFTER_S)

    async def has_waiters(self) -> bool:
        """Nobody can tell."""
        return False

    async def user(self, name: str) -> User:
        """Somebody new."""
        answer = await self.ask(
            "POST", "/v3/register", {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        )
        assert answer.status == 200, answer
        return User(self, answer.body)


async def play(victim: Victim, seed: int, number: int = 0) -> None:
    """One walk with its kills."""
    async with open_http(victim) as http:
        door = Stubborn(http)
        game = Play(seed, [await door.user(f"{name}{number}") for name in NAMES])
        await game.begin()
        for step in range(STEPS):
            if step % KILLS != KILLS - 1:
                await game.go_on()
                continue
            await game.burst(kill(victim, game.dice.random() * 0.1))
            await game.check(all_of_them=step == STEPS - 1)


async def kill(victim: Victim, after_s: float) -> None:
    """Kills the server in a moment, and starts it again."""
    await asyncio.sleep(after_s)
    await asyncio.to_thread(victim.kill_server)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
async def test_clients_rebuild_the_world_of_a_killed_server(engine: str, tmp_path: Path) -> None:
    with Victim(engine, tmp_path / "server") as victim:
        for number, seed in enumerate(soak.seeds(QUICK_SECONDS)):
            with soak.told(seed):
                await play(victim, seed, number)
