"""What is done again and again, in every process: one table of names, seconds and storage functions."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.services.changes import Changes
from oriz_matrix.storage import destinations, incoming, notices, to_device
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

DAY_MS = 24 * 3600 * 1000
TRANSACTIONS_KEPT_MS = 7 * DAY_MS
"""How long it is known what was answered to another server's transaction; after that its events are still known."""
LONG_SILENCE_MS = 3600 * 1000
"""A server that has not answered for so long will ask for what it missed."""

log = structlog.get_logger()


class Moment(NamedTuple):
    """When something is done: up to which position everything is settled, and the time in milliseconds."""

    settled: Position
    now_ms: int


class Task(NamedTuple):
    """Something small that is done every so many seconds, in one transaction.

    Every process does it, so it bears to be done twice.
    """

    name: str
    every: int
    work: Callable[[Transaction, Moment], None]


class Watch(NamedTuple):
    """Figures that are looked at every so many seconds, and told by their names."""

    name: str
    every: int
    look: Callable[[Transaction], Any]
    tell: Callable[[Mapping[str, int]], None]


def forget_notices(tx: Transaction, at: Moment) -> None:
    """Those that all processes have heard of."""
    notices.forget(tx, at.settled)


def forget_message_ids(tx: Transaction, at: Moment) -> None:
    """Of messages to devices that were taken long ago."""
    to_device.forget_ids(tx, at.settled)


def forget_transactions(tx: Transaction, at: Moment) -> None:
    """Of other servers, taken long ago."""
    incoming.forget_transactions(tx, at.now_ms - TRANSACTIONS_KEPT_MS)


def collapse_outboxes(tx: Transaction, at: Moment) -> None:
    """Of servers that have long been silent: the newest event of each room remains."""
    destinations.collapse_silent(tx, at.now_ms - LONG_SILENCE_MS, at.now_ms)


TASKS = (
    Task("forget old notices", 600, forget_notices),
    Task("forget ids of messages to devices", 3_600, forget_message_ids),
    Task("forget old transactions", 300, forget_transactions),
    Task("reduce what waits for silent servers", 60, collapse_outboxes),
)


class Periodic:
    """Runs the table, and some watches."""

    def __init__(self, db: Database, changes: Changes, clock: Clock, watches: Sequence[Watch] = ()) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._watches = watches
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins; the first round is after the first interval, but for watches."""
        again = [self._repeat(task) for task in TASKS] + [self._keep_watch(watch) for watch in self._watches]
        self._running = [asyncio.create_task(one) for one in again]

    async def stop(self) -> None:
        """Ends; what is being done is finished by the database."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _repeat(self, task: Task) -> None:
        while True:
            await self._clock.sleep(task.every)
            moment = Moment(self._changes.settled, self._clock.now_ms())
            await self._try(task.name, self._db.write(task.work, moment))

    async def _keep_watch(self, watch: Watch) -> None:
        while True:
            await self._try(watch.name, self._look(watch))
            await self._clock.sleep(watch.every)

    async def _look(self, watch: Watch) -> None:
        figures = await self._db.read(watch.look)
        watch.tell(figures._asdict())

    async def _try(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StorageError as error:
            log.warning("could not be done this time", task=name, error=str(error))
