"""The runner of jobs: it does what is due, tries again what failed, gives back what it must leave, outlives others."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from oriz_matrix.base.clock import Clock, FakeClock
from oriz_matrix.base.ids import Ids
from oriz_matrix.services.jobs import AT_ONCE, EVERY_SECONDS, MAX_ATTEMPTS, Jobs, Postponed, Work
from oriz_matrix.storage import jobs
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job, Lease
from tests.services import job_runner
from tests.services.job_runner import LEASE_MS, QUEUE, ignore, lines
from tests.storage.stress import open_dialect
from tests.support.databases import Databases
from tests.support.stores import ENGINES, new_dialect, running, schema_template

SPAWN = multiprocessing.get_context("spawn")
SECONDS = 20


@asynccontextmanager
async def runner(
    database: Database, clock: Clock, work: Work, count: Callable[[str, str], None] = ignore, lease_ms: int = 60_000
) -> AsyncIterator[Jobs]:
    """A running runner with work for one queue."""
    made = Jobs(database, clock, Ids(), count, lease_ms)
    made.register(QUEUE, work)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def ask(database: Database, key: str, run_at: int = 0) -> None:
    """Asks for a job."""
    await database.write(jobs.enqueue, QUEUE, key, b"", run_at)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something to be so."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes tell no event
            await asyncio.sleep(0.01)


async def left(database: Database) -> list[tuple[str, int, int]]:
    """All jobs there are: key, attempts, and when they run."""
    return await database.read(lambda tx: tx.rows("SELECT key, attempts, run_at FROM jobs ORDER BY key"))


async def emptied(database: Database) -> None:
    """Waits until there are no jobs any more."""
    async with asyncio.timeout(SECONDS):
        while await left(database):  # noqa: ASYNC110 - other processes tell no event
            await asyncio.sleep(0.01)


async def test_what_is_asked_for_is_done_a_few_at_a_time(database: Database, clock: FakeClock) -> None:
    at_once, most, done = 0, 0, []

    async def work(job: Job) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        done.append(job.key)

    async with runner(database, clock, work) as running_jobs:
        for number in range(10):
            await ask(database, str(number))
        running_jobs.poke()
        await emptied(database)
    assert most == AT_ONCE
    assert sorted(done) == [str(number) for number in range(10)]


async def test_jobs_of_other_queues_and_of_later_are_left_alone(database: Database, clock: FakeClock) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        done.append(job.key)

    await database.write(jobs.enqueue, "other", "elsewhere", b"", 0)
    await ask(database, "later", clock.now_ms() + 5_000)
    await ask(database, "now")
    async with runner(database, clock, work) as running_jobs:
        await until(lambda: done == ["now"])
        await clock.advance(5)
        running_jobs.poke()
        await until(lambda: done == ["now", "later"])
    assert [key for key, _, _ in await left(database)] == ["elsewhere"]


async def test_what_fails_is_tried_again_after_longer_and_longer_pauses_and_parked_at_last(
    database: Database, clock: FakeClock
) -> None:
    ends: list[str] = []

    async def work(job: Job) -> None:
        raise ValueError(job.key)

    await ask(database, "broken")
    pauses = []
    async with runner(database, clock, work, lambda _, end: ends.append(end)) as running_jobs:
        for attempt in range(1, MAX_ATTEMPTS):
            await until(lambda attempt=attempt: len(ends) == attempt)  # type: ignore[misc]
            [(_, attempts, run_at)] = await left(database)
            assert attempts == attempt
            pauses.append(run_at - clock.now_ms())
            await clock.advance(pauses[-1] / 1000)
            running_jobs.poke()
        await until(lambda: len(ends) == MAX_ATTEMPTS)
    assert ends == ["failed"] * (MAX_ATTEMPTS - 1) + ["parked"]
    assert all(750 * 2**number <= pause <= 1250 * 2**number for number, pause in enumerate(pauses))
    assert await left(database) == [("broken", MAX_ATTEMPTS, jobs.NEVER)]


async def test_what_cannot_be_done_yet_is_put_off_and_never_given_up(database: Database, clock: FakeClock) -> None:
    ends: list[str] = []

    async def work(job: Job) -> None:
        times = int(job.payload or b"0") + 1
        if times <= 2 * MAX_ATTEMPTS:
            raise Postponed(5_000, b"%d" % times)

    await ask(database, "patient")
    async with runner(database, clock, work, lambda _, end: ends.append(end)) as running_jobs:
        for times in range(1, 2 * MAX_ATTEMPTS + 1):
            await until(lambda times=times: len(ends) == times)  # type: ignore[misc]
            assert await left(database) == [("patient", 1, clock.now_ms() + 5_000)]
            await clock.advance(5)
            running_jobs.poke()
        await emptied(database)
    assert ends == ["postponed"] * 2 * MAX_ATTEMPTS + ["done"]


async def test_what_was_put_off_is_done_at_its_time_and_not_when_somebody_looks(database: Database) -> None:
    tried: list[str] = []

    async def work(job: Job) -> None:
        tried.append(job.key)
        if len(tried) == 1:
            raise Postponed(50)

    await ask(database, "soon")
    async with runner(database, Clock(), work), asyncio.timeout(EVERY_SECONDS / 2):
        await until(lambda: len(tried) == 2)


async def test_asking_again_brings_nothing_forward_that_was_put_off(database: Database, clock: FakeClock) -> None:
    payloads: list[bytes] = []

    async def work(job: Job) -> None:
        payloads.append(job.payload)
        if len(payloads) == 1:
            raise Postponed(5_000, b"put off")

    await ask(database, "patient")
    async with runner(database, clock, work) as running_jobs:
        await until(lambda: len(payloads) == 1)
        await asyncio.sleep(0.05)
        await ask(database, "patient")
        running_jobs.poke()
        assert [run_at for _, _, run_at in await left(database)] == [clock.now_ms() + 5_000]
        await clock.advance(5)
        running_jobs.poke()
        await emptied(database)
    assert payloads == [b"", b""]  # who asks says what it goes on with


async def test_a_job_that_kills_its_process_each_time_is_parked_without_being_tried(
    database: Database, clock: FakeClock
) -> None:
    ends: list[str] = []

    async def work(job: Job) -> None:
        raise AssertionError(job.key)

    await ask(database, "poison")
    for number in range(MAX_ATTEMPTS):
        assert await database.write(jobs.take, [QUEUE], Lease(f"dead {number}", number, number + 1))
    async with runner(database, clock, work, lambda _, end: ends.append(end)):
        await until(lambda: ends == ["parked"])


async def test_a_runner_that_stops_gives_its_jobs_back(database: Database, clock: FakeClock) -> None:
    begun: list[str] = []

    async def work(job: Job) -> None:
        begun.append(job.key)
        await asyncio.sleep(SECONDS)

    await ask(database, "long")
    async with runner(database, clock, work):
        await until(lambda: begun == ["long"])
    assert await left(database) == [("long", 0, clock.now_ms())]
    assert await database.write(jobs.take, [QUEUE], Lease("next", clock.now_ms(), clock.now_ms() + 1)) is not None


async def test_a_lease_is_renewed_while_the_work_goes_on(database: Database) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        await asyncio.sleep(0.7)
        done.append(job.key)

    await ask(database, "long")
    clock = Clock()
    async with runner(database, clock, work, lease_ms=200), runner(database, clock, work, lease_ms=200):
        await emptied(database)
        await asyncio.sleep(0.3)
    assert done == ["long"]


async def test_who_lost_a_job_stops_working_at_it(database: Database) -> None:
    begun, ended = list[str](), list[str]()

    async def work(job: Job) -> None:
        begun.append(job.key)
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    await ask(database, "stolen")
    async with runner(database, Clock(), work, lease_ms=300):
        await until(lambda: begun == ["stolen"])
        far = 2**50
        assert await database.write(jobs.take, [QUEUE], Lease("thief", far, far + 1)) is not None
        await until(lambda: ended == ["cancelled"])
    [(_, attempts, _)] = await left(database)
    assert attempts == 2


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[tuple[str, str]]:
    """An engine and the path or URL of an empty database."""
    if request.param == "sqlite":
        with new_dialect("sqlite", tmp_path, postgres):
            yield "sqlite", str(tmp_path / "oriz.db")
        return
    with postgres.database(schema_template(postgres)) as url:
        yield "postgres", url


@pytest.fixture
async def shared(target: tuple[str, str]) -> AsyncIterator[Database]:
    """The database as this process sees it, on each engine."""
    async with running(open_dialect(*target)) as opened:
        yield opened


def begin(target: tuple[str, str], diary: Path, work_seconds: float) -> SpawnProcess:
    """Another process that runs jobs."""
    process = SPAWN.Process(target=job_runner.run, args=(*target, str(diary), work_seconds), daemon=True)
    process.start()
    return process


async def test_several_processes_share_the_jobs(target: tuple[str, str], shared: Database, tmp_path: Path) -> None:
    diary, done = tmp_path / "diary", []

    async def work(job: Job) -> None:
        await asyncio.sleep(0.02)
        done.append(job.key)

    process = begin(target, diary, 0.02)
    try:
        await ask(shared, "first")
        await until(lambda: lines(diary, "end") == ["first"])
        names = [f"job-{number}" for number in range(60)]
        for name in names:
            await ask(shared, name)
        async with runner(shared, Clock(), work, lease_ms=LEASE_MS * 10) as running_jobs:
            running_jobs.poke()
            await emptied(shared)
    finally:
        process.kill()
        process.join()
    assert sorted(done + lines(diary, "end")) == sorted(["first", *names])


async def test_the_jobs_of_a_killed_process_are_done_by_another(
    target: tuple[str, str], shared: Database, tmp_path: Path
) -> None:
    diary, done = tmp_path / "diary", []

    async def work(job: Job) -> None:
        done.append((job.key, job.attempts))

    for number in range(AT_ONCE):
        await ask(shared, str(number))
    process = begin(target, diary, float(SECONDS))
    await until(lambda: len(lines(diary, "begin")) == AT_ONCE)
    async with runner(shared, Clock(), work) as running_jobs:
        await asyncio.sleep(LEASE_MS / 1000 * 1.5)
        running_jobs.poke()
        await asyncio.sleep(0.2)
        assert done == [], "taken from a process that lives and renews its leases"
        process.kill()
        process.join()
        await emptied(shared)
    assert sorted(done) == [(str(number), 2) for number in range(AT_ONCE)]
    assert lines(diary, "end") == []
