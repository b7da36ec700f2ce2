"""Time as an object that is handed in, so that tests can make it pass.

Nothing above this layer asks the `time` module or `asyncio.sleep` for what it can ask a `Clock`.
"""

import asyncio
import heapq
import time
from itertools import count


class Clock:
    """The time of the machine."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, as in `origin_server_ts`; may jump when the machine's clock is set."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back. For durations and deadlines within this process."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let that many seconds pass; at least one turn of the event loop."""
        await asyncio.sleep(seconds)


class FakeClock(Clock):
    """A clock that stands still until `advance` moves it. Sleepers wake in the order of their time."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._start_ms + round(self._elapsed * 1000)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), sleeper))
        await sleeper

    async def advance(self, seconds: float) -> None:
        """Let time pass: each sleeper whose time comes runs, up to its next wait, before time goes on."""
        end = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._elapsed, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():  # it may have been cancelled
                sleeper.set_result(None)
            await _settle()
        self._elapsed = end


async def _settle() -> None:
    """Give every task that can run some turns of the event loop."""
    for _ in range(10):
        await asyncio.sleep(0)
