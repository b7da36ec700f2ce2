"""Those who want the same at the same time wait for one call together."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedCalls(Generic[K, V]):
    """Calls that run, by their keys; nothing is kept of a call that has ended."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    async def share(self, key: K, call: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result of the call for this key that runs already, or else of a new one.

        Whoever goes away leaves it to the others; what it raises is raised for each of them.
        """
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(call())
            task.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(task)

    def _end(self, key: K, done: asyncio.Task[V]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # somebody has seen it, even if nobody waits any more
