"""The runner of jobs: takes what is due, a few at a time, and keeps its leases; every process has one.

What must be done later is written by `storage.jobs.enqueue`, in the transaction it follows from; then `Jobs.poke`. What
was put off here is looked for at its time; who looks every few seconds anyway finds what another process has asked for,
and what a dead one has left. A job may be done more than once, so its work must bear that.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.storage import jobs
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.jobs import Job, Lease

Work = Callable[[Job], Awaitable[None]]
"""What is done for a job of a queue; an error means that it is to be tried again."""

EVERY_SECONDS = 5.0
AT_ONCE = 4
LEASE_MS = 60_000
MAX_ATTEMPTS = 10
FIRST_PAUSE_MS = 1_000
LONGEST_PAUSE_MS = 3_600_000

log = structlog.get_logger()


class Postponed(Exception):
    """Raised by work that cannot be done yet, for a reason that is not its own: it is put off, and never given up.

    pause_ms: for how long; payload: what the job goes on with.
    """

    def __init__(self, pause_ms: int, payload: bytes = b"") -> None:
        super().__init__(f"not before {pause_ms} ms from now")
        self.pause_ms = pause_ms
        self.payload = payload


class Jobs:
    """Runs the jobs of those queues that are registered here."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ids: Ids,
        count: Callable[[str, str], None],
        lease_ms: int = LEASE_MS,
    ) -> None:
        """`count` is told of each end of a job: its queue, and "done", "failed", "postponed" or "parked"."""
        self._db = db
        self._clock = clock
        self._ids = ids
        self._count = count
        self._lease_ms = lease_ms
        self._work: dict[str, Work] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._stopping = False

    def register(self, queue: str, work: Work) -> None:
        """Says what is done for the jobs of a queue; before `start`."""
        self._work[queue] = work

    async def start(self) -> None:
        """Begins to take jobs."""
        self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Takes no more jobs, and gives back those that run."""
        if self._loop_task is None:
            return
        self._stopping = True
        self.poke()
        await asyncio.wait([self._loop_task])  # not cancelled: what it is just taking would stay taken
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def poke(self) -> None:
        """A job was committed here: look soon."""
        self._woken.set()

    def _poke_in(self, pause_ms: int) -> None:
        asyncio.get_running_loop().call_later(pause_ms / 1000, self.poke)

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                await self._begin_due()
            except StorageError as error:
                log.warning("cannot look for jobs", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._woken.wait()

    async def _begin_due(self) -> None:
        """Begins whatever is due, as far as there is room. Looks before it takes, for a look needs no writer."""
        queues = list(self._work)
        while not self._is_full() and await self._db.read(jobs.is_due, queues, self._clock.now_ms()):
            now_ms = self._clock.now_ms()
            job = await self._db.write(jobs.take, queues, Lease(self._ids.job_owner(), now_ms, now_ms + self._lease_ms))
            if job is None:
                return
            task = asyncio.create_task(self._carry_out(job))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _is_full(self) -> bool:
        return self._stopping or len(self._running) >= AT_ONCE

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.poke()

    async def _carry_out(self, job: Job) -> None:
        """Does one job to its end, and writes down how it ended. Where that cannot be written the lease runs out."""
        try:
            if job.attempts > MAX_ATTEMPTS:  # whoever took it before did not live to tell
                await self._park(job)
            elif await self._succeeds(job):
                await self._db.write(jobs.finish, job, self._clock.now_ms())
                self._count(job.queue, "done")
            elif job.attempts == MAX_ATTEMPTS:
                await self._park(job)
            else:
                pause_ms = _pause_ms(job.attempts)
                await self._db.write(jobs.put_off, job, self._clock.now_ms() + pause_ms)
                self._poke_in(pause_ms)
                self._count(job.queue, "failed")
        except Postponed as later:
            await self._postpone(job, later)
        except StorageError as error:
            log.warning("cannot write down how a job ended", queue=job.queue, error=str(error))
        except asyncio.CancelledError:
            with suppress(StorageError):
                await self._db.write(jobs.give_back, job, self._clock.now_ms())
            raise

    async def _postpone(self, job: Job, later: Postponed) -> None:
        with suppress(StorageError):  # then the lease runs out
            await self._db.write(jobs.postpone, job, self._clock.now_ms() + later.pause_ms, later.payload)
            self._poke_in(later.pause_ms)
            self._count(job.queue, "postponed")

    async def _succeeds(self, job: Job) -> bool:
        work = asyncio.ensure_future(self._work[job.queue](job))
        try:
            await self._hold(job, work)
            await work
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise
        except Postponed:
            raise
        except Exception:
            log.exception("a job failed", queue=job.queue, attempts=job.attempts)
            return False
        return True

    async def _hold(self, job: Job, work: "asyncio.Future[None]") -> None:
        """Renews the lease until the work is done; raises CancelledError when the job is somebody else's by now."""
        while True:
            await asyncio.wait([work], timeout=self._lease_ms / 3000)
            if work.done():
                return
            with suppress(StorageError):
                if not await self._db.write(jobs.renew, job, self._clock.now_ms() + self._lease_ms):
                    log.warning("a job was lost to another process", queue=job.queue)
                    raise asyncio.CancelledError

    async def _park(self, job: Job) -> None:
        log.error("a job is parked", queue=job.queue, attempts=job.attempts)
        await self._db.write(jobs.put_off, job, jobs.NEVER)
        self._count(job.queue, "parked")


def _pause_ms(attempts: int) -> int:
    """How long to wait after so many failures: doubling, spread by a half so that rivals part."""
    pause: float = min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS)
    return round(pause * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret
