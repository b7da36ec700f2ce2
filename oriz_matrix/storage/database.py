"""The database as services see it: `await db.read(fn, ...)`, `await db.write(fn, ...)`, one thread hop each."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.transaction import Transaction, is_single
from oriz_matrix.storage.types import Position

P = ParamSpec("P")
T = TypeVar("T")


Observer = Callable[[str, float], None]
"""Hears of each transaction that is over: the function's name, and the seconds from the call to its end."""


def _ignore(_name: str, _seconds: float) -> None:
    """Observes nothing."""


class Database:
    """Runs storage functions on storage threads. A function may run more than once and has no effect but in its tx."""

    def __init__(self, dialect: Dialect, observe: Observer = _ignore) -> None:
        self._dialect = dialect
        self._observe = observe
        self.writes = 0
        """How many writes are over, as far as the event loop has heard."""

    @property
    def caches(self) -> Caches:
        """What storage keeps in memory, for the metrics."""
        return self._dialect.caches

    @property
    def one_process(self) -> bool:
        """Whether no other process of this server works on the database."""
        return self._dialect.one_process

    def start(self) -> None:
        """Starts the storage threads."""
        self._dialect.start()

    async def stop(self) -> None:
        """Waits for what runs and closes the connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._dialect.stop)

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn(tx, ...)` on one state of the database."""
        return await self._hop(
            fn, lambda done: self._dialect.read(_bound(fn, args, kwargs), done, is_single=is_single(fn))
        )

    async def read_settled(
        self, fn: Callable[Concatenate[Transaction, Position, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs `fn(tx, settled, ...)`: everything at or below the settled position is there, for ever."""

        def job(tx: Transaction, settled: Position) -> T:
            return fn(tx, settled, *args, **kwargs)

        return await self._hop(fn, lambda done: self._dialect.read_settled(job, done, is_single=is_single(fn)))

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn(tx, ...)` and commits. A caller that goes away does not stop it."""

        def submit(done: Callable[..., None]) -> None:
            self._dialect.write(_bound(fn, args, kwargs), done, is_single=is_single(fn))

        return await self._hop(fn, submit, self._count_write)

    def _count_write(self) -> None:
        self.writes += 1

    async def is_reachable(self) -> bool:
        """Whether the database answers."""
        try:
            await self.read(lambda tx: tx.value("SELECT 1"))
        except StorageError:
            return False
        return True

    async def _hop(
        self,
        fn: Callable[..., T],
        submit: Callable[[Callable[..., None]], None],
        over: Callable[[], None] = lambda: None,
    ) -> T:
        """Waits for a storage thread; `over` is called on the loop before anybody hears of the result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        start = time.perf_counter()

        def done(result: Any, error: BaseException | None) -> None:
            self._observe(fn.__name__, time.perf_counter() - start)
            loop.call_soon_threadsafe(_settle, future, over, result, error)

        submit(done)
        return await future


def _bound(fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Transaction], T]:
    """`fn` waiting for its transaction only."""
    if not args and not kwargs:
        return fn
    if kwargs:
        fn = partial(fn, **kwargs)
    return lambda tx: fn(tx, *args)


def _settle(future: asyncio.Future[Any], over: Callable[[], None], result: Any, error: BaseException | None) -> None:
    """Answers a waiter who may have gone away."""
    over()
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
