"""What is done again and again, in every process: one table of names, seconds and storage functions."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.services.changes import Changes
from oriz_matrix.storage import notices, to_device
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

log = structlog.get_logger()


class Task(NamedTuple):
    """Something small that is done every so many seconds, in one transaction, up to the settled position.

    Every process does it, so it bears to be done twice.
    """

    name: str
    every: int
    work: Callable[[Transaction, Position], None]


TASKS = (
    Task("forget old notices", 600, notices.forget),
    Task("forget ids of messages to devices", 3_600, to_device.forget_ids),
)


class Periodic:
    """Runs the table."""

    def __init__(self, db: Database, changes: Changes, clock: Clock) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins; the first round is after the first interval."""
        self._running = [asyncio.create_task(self._repeat(task)) for task in TASKS]

    async def stop(self) -> None:
        """Ends; what is being done is finished by the database."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _repeat(self, task: Task) -> None:
        while True:
            await self._clock.sleep(task.every)
            try:
                await self._db.write(task.work, self._changes.settled)
            except StorageError as error:
                log.warning("could not be done this time", task=task.name, error=str(error))
