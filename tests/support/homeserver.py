"""A homeserver inside the test's process that can be restarted, and the people on it.

The people themselves are in `people`; the names that tests need are handed on from there.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from tests.support.in_process import Homeserver, homeserver
from tests.support.people import LONG_POLL_MS, PASSWORD, Json, Refused, RoomUpdate, Synced, User, ids, refused, texts

__all__ = [
    "Home",
    "Json",
    "Refused",
    "RoomUpdate",
    "Synced",
    "User",
    "eventually",
    "ids",
    "refused",
    "texts",
]


class Home:
    """A homeserver that can be restarted, and its users."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock
        self._source = random.Random(7)
        self._stack = AsyncExitStack()
        self.server: Homeserver

    async def __aenter__(self) -> "Home":
        self.server = await self._stack.enter_async_context(homeserver(self.config, self._clock, self._source))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def restart(self, *users: User) -> None:
        """Stops the server and starts it on the same data; `users` go on with the new one."""
        await self._stack.aclose()
        await self.__aenter__()
        for user in users:
            user.server = self.server

    async def user(self, name: str) -> User:
        """Somebody new."""
        body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        return await self._register(body)

    async def users(self, *names: str) -> list[User]:
        """Several people."""
        return [await self.user(name) for name in names]

    async def guest(self) -> User:
        """A guest."""
        return await self._register({}, "?kind=guest")

    async def _register(self, body: Json, query: str = "") -> User:
        answer = await self.server.ask("POST", f"/v3/register{query}", body)
        assert answer.status == 200, answer
        return User(self.server, answer.body)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what a job does."""
    async with asyncio.timeout(LONG_POLL_MS / 1000):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
