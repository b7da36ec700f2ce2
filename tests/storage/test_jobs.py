"""Jobs: bursts merge, no request is lost, each is taken by one at a time, and who lost a job can write nothing more."""

import asyncio

import pytest

from oriz_matrix.storage import jobs
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import NEVER, Job, Lease

MAIL, PROFILE = "mail", "profile"


async def take(database: Database, owner: str = "a", now: int = 100, until: int = 200) -> Job | None:
    """Takes a job of either queue."""
    return await database.write(jobs.take, [MAIL, PROFILE], Lease(owner, now, until))


async def taken(database: Database, owner: str = "a", now: int = 100, until: int = 200) -> Job:
    """Takes a job that must be there."""
    job = await take(database, owner, now, until)
    assert job is not None
    return job


async def ask(database: Database, key: str = "k", payload: bytes = b"", run_at: int = 50, queue: str = MAIL) -> None:
    """Asks for a job."""
    await database.write(jobs.enqueue, queue, key, payload, run_at)


async def test_a_job_is_taken_when_it_is_due_and_gone_when_it_is_done(database: Database) -> None:
    await ask(database, payload=b"first", run_at=100)
    assert not await database.read(jobs.is_due, [MAIL], 99)
    assert await take(database, now=99) is None
    assert not await database.read(jobs.is_due, [PROFILE], 100)
    assert await database.read(jobs.is_due, [MAIL], 100)
    job = await taken(database)
    assert job == Job(MAIL, "k", b"first", 1, 1, "a")
    assert await take(database, "b") is None
    await database.write(jobs.finish, job, 150)
    assert await take(database, "b", now=10_000) is None


async def test_the_longest_due_comes_first_and_only_of_the_queues_asked_for(database: Database) -> None:
    await ask(database, "late", run_at=90)
    await ask(database, "early", run_at=10)
    await ask(database, "profile", run_at=5, queue=PROFILE)
    first = await database.write(jobs.take, [MAIL], Lease("a", 100, 200))
    assert first is not None
    assert first.key == "early"
    assert [(await taken(database)).key for _ in range(2)] == ["profile", "late"]


async def test_requests_merge_and_the_newest_payload_counts(database: Database) -> None:
    await ask(database, payload=b"1", run_at=80)
    await ask(database, payload=b"2", run_at=60)
    await ask(database, payload=b"3", run_at=90)
    assert await take(database, now=59) is None
    assert await taken(database, now=60) == Job(MAIL, "k", b"3", 1, 3, "a")
    assert await take(database) is None


async def test_what_is_asked_for_while_it_runs_runs_again(database: Database) -> None:
    await ask(database, payload=b"old")
    job = await taken(database)
    await ask(database, payload=b"new")
    assert await take(database, "b") is None
    await database.write(jobs.finish, job, 150)
    again = await taken(database, "b", 150, 250)
    assert (again.payload, again.attempts, again.requests) == (b"new", 1, 2)
    await database.write(jobs.finish, again, 160)
    assert await take(database, now=10_000) is None


async def test_a_job_whose_holder_died_comes_back(database: Database) -> None:
    await ask(database)
    dead = await taken(database, "dead")
    assert await take(database, "b", now=199) is None
    second = await taken(database, "b", 200, 300)
    assert second.attempts == 2
    assert not await database.write(jobs.renew, dead, 900)
    for end in (jobs.finish, jobs.give_back, jobs.put_off):
        await database.write(end, dead, 201)
    assert await take(database, "c", now=299) is None
    assert await database.write(jobs.renew, second, 400)
    assert await take(database, "c", now=399) is None
    assert (await taken(database, "c", 400, 500)).attempts == 3


async def test_who_failed_waits_also_when_asked_again(database: Database) -> None:
    await ask(database)
    await database.write(jobs.put_off, await taken(database), 500)
    await ask(database, payload=b"new", run_at=110)
    assert await take(database, now=499) is None
    job = await taken(database, "b", 500, 600)
    assert (job.attempts, job.payload) == (2, b"new")
    await database.write(jobs.give_back, job, 510)
    assert (await taken(database, "c", 510, 600)).attempts == 2


async def test_a_parked_job_begins_anew_when_it_is_asked_for(database: Database) -> None:
    await ask(database)
    await database.write(jobs.put_off, await taken(database), NEVER)
    assert await take(database, now=10**15) is None
    await ask(database, run_at=700)
    assert await take(database, now=699) is None
    assert (await taken(database, now=700, until=800)).attempts == 1


@pytest.mark.parametrize("count", [1, 60])
async def test_each_is_taken_once_however_many_take(database: Database, count: int) -> None:
    for number in range(count):
        await ask(database, str(number))
    found = await asyncio.gather(*(take(database, f"owner {number}") for number in range(count + 20)))
    keys = [job.key for job in found if job is not None]
    # On PostgreSQL a taker may pass by a row that another is just taking, so that some are left over.
    while (job := await take(database, "last")) is not None:
        keys.append(job.key)
    assert sorted(keys) == sorted(str(number) for number in range(count))


async def test_no_request_is_lost_between_those_who_ask_and_those_who_finish(database: Database) -> None:
    """The last request of each burst is followed by a run that has its payload."""
    seen: list[int] = []
    asked_for = 120

    async def asking() -> None:
        for number in range(asked_for):
            await ask(database, payload=str(number).encode())

    async def working(name: str, until: asyncio.Event) -> None:
        turn = 0
        while not (until.is_set() and seen and seen[-1] == asked_for - 1):
            turn += 1
            job = await take(database, f"{name} {turn}", 100, 10_000)
            if job is not None:
                seen.append(int(job.payload))
                await database.write(jobs.finish, job, 50)

    done = asyncio.Event()
    async with asyncio.timeout(30):
        workers = [asyncio.create_task(working(name, done)) for name in ("a", "b")]
        await asking()
        done.set()
        await asyncio.gather(*workers)
    assert await database.read(lambda tx: tx.value("SELECT count(*) FROM jobs")) == 0
