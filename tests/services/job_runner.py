"""A process that runs jobs, to be killed in the middle of one: what it does it writes into a file."""

import asyncio
from pathlib import Path

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job
from tests.storage.stress import open_dialect

QUEUE = "work"
LEASE_MS = 600
FOREVER_S = 60.0


def ignore(_queue: str, _end: str) -> None:
    """Counts nothing."""


def run(engine: str, target: str, diary: str, work_seconds: float) -> None:
    """Runs jobs until it is killed; each takes so long, and is a line in the diary when it begins and when it ends."""
    asyncio.run(_run(engine, target, Path(diary), work_seconds))


async def _run(engine: str, target: str, diary: Path, work_seconds: float) -> None:
    database = Database(open_dialect(engine, target))
    database.start()

    async def work(job: Job) -> None:
        write(diary, "begin", job)
        await asyncio.sleep(work_seconds)
        write(diary, "end", job)

    runner = Jobs(database, Clock(), Ids(), ignore, LEASE_MS)
    runner.register(QUEUE, work)
    await runner.start()
    await asyncio.sleep(FOREVER_S)


def write(diary: Path, word: str, job: Job) -> None:
    """Adds one line, in one piece."""
    with diary.open("a", encoding="utf-8") as file:
        file.write(f"{word} {job.key}\n")


def lines(diary: Path, word: str) -> list[str]:
    """The keys of the jobs of which the diary says this, in order."""
    if not diary.exists():
        return []
    return [line.split()[1] for line in diary.read_text("utf-8").splitlines() if line.split()[0] == word]
