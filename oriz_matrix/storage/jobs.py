"""Jobs: work that takes time, as rows with a lease. Any process may take one; one that is taken twice is done twice.

A row is (queue, key). Asking for it again while it waits or runs raises `requests`, so that bursts merge and no request
is lost: who finishes deletes the row only where it is as they took it. `owner` is a name for one taking: who lost a job
to another when the lease ran out can write nothing about it any more. What failed too often is parked, until it is
asked for again. Moments are milliseconds.
"""

from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction, single

NEVER = 2**63 - 1
"""When a parked job runs."""


class Job(NamedTuple):
    """A job as it was taken; `attempts` counts this one too."""

    queue: str
    key: str
    payload: bytes
    attempts: int
    requests: int
    owner: str


class JobRequest(NamedTuple):
    """A job that is to be done soon; all that it needs is in its key."""

    queue: str
    key: str


class Lease(NamedTuple):
    """Who takes a job: when, and until when it is theirs if they do not renew it."""

    owner: str
    now: int
    until: int


@single
def enqueue(tx: Transaction, queue: str, key: str, payload: bytes, run_at: int) -> None:
    """Asks for a job, not before `run_at`; the newest payload counts. Call it in the transaction it follows from.

    One that waits after a failure goes on waiting; a parked one begins anew.
    """
    sql = """
        INSERT INTO jobs (queue, key, payload, run_at) VALUES (:queue, :key, :payload, :run_at)
        ON CONFLICT (queue, key) DO UPDATE SET
            requests = jobs.requests + 1,
            payload = EXCLUDED.payload,
            attempts = CASE WHEN jobs.run_at = :never THEN 0 ELSE jobs.attempts END,
            run_at = CASE
                WHEN jobs.run_at = :never THEN EXCLUDED.run_at
                WHEN jobs.attempts > 0 OR jobs.run_at < EXCLUDED.run_at THEN jobs.run_at
                ELSE EXCLUDED.run_at
            END
    """
    tx.run(sql, queue=queue, key=key, payload=payload, run_at=run_at, never=NEVER)


@single
def is_due(tx: Transaction, queues: list[str], now: int) -> bool:
    """Whether there is something to take."""
    sql = "SELECT 1 FROM jobs WHERE queue = ANY(:queues) AND run_at <= :now AND lease_until <= :now LIMIT 1"
    return tx.value(sql, queues=queues, now=now) is not None


@single
def take(tx: Transaction, queues: list[str], lease: Lease) -> Job | None:
    """Takes the job that is due longest and that nobody holds."""
    sql = """
        UPDATE jobs SET owner = :owner, lease_until = :until, attempts = attempts + 1
        WHERE (queue, key) = (
            SELECT queue, key FROM jobs
            WHERE queue = ANY(:queues) AND run_at <= :now AND lease_until <= :now
            ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING queue, key, payload, attempts, requests, owner
    """
    row = tx.one(sql, queues=queues, **lease._asdict())
    return None if row is None else Job(*row)


@single
def renew(tx: Transaction, job: Job, until: int) -> bool:
    """Keeps a job for longer; whether it is still the taker's."""
    sql = "UPDATE jobs SET lease_until = :until WHERE queue = :queue AND key = :key AND owner = :owner"
    return tx.run(sql, queue=job.queue, key=job.key, owner=job.owner, until=until) > 0


def finish(tx: Transaction, job: Job, now: int) -> None:
    """The job is done; if it was asked for again meanwhile it is due again."""
    done = "DELETE FROM jobs WHERE queue = :queue AND key = :key AND owner = :owner AND requests = :requests"
    if not tx.run(done, queue=job.queue, key=job.key, owner=job.owner, requests=job.requests):
        _give_back(tx, job, attempts=0, run_at=now)


def put_off(tx: Transaction, job: Job, run_at: int) -> None:
    """The job failed, and is tried again at `run_at`; `NEVER` parks it."""
    _give_back(tx, job, attempts=job.attempts, run_at=run_at)


def postpone(tx: Transaction, job: Job, run_at: int, payload: bytes) -> None:
    """The job cannot be done before `run_at`, and goes on then with this payload; asking for it again brings nothing
    forward."""
    sql = """
        UPDATE jobs SET owner = NULL, lease_until = 0, attempts = 1, run_at = :run_at, payload = :payload
        WHERE queue = :queue AND key = :key AND owner = :owner
    """
    tx.run(sql, queue=job.queue, key=job.key, owner=job.owner, run_at=run_at, payload=payload)


def give_back(tx: Transaction, job: Job, now: int) -> None:
    """The job was not done, for a reason that is not its own; it is due again."""
    _give_back(tx, job, attempts=job.attempts - 1, run_at=now)


def _give_back(tx: Transaction, job: Job, *, attempts: int, run_at: int) -> None:
    sql = """
        UPDATE jobs SET owner = NULL, lease_until = 0, attempts = :attempts, run_at = :run_at
        WHERE queue = :queue AND key = :key AND owner = :owner
    """
    tx.run(sql, queue=job.queue, key=job.key, owner=job.owner, attempts=attempts, run_at=run_at)
