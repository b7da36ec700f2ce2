"""Other servers as those to whom something is sent: what waits for each, whether it answers, and who sends to it now.

Moments are milliseconds.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

MOST_COLLAPSED = 20
"""Servers whose rows are reduced in one transaction."""


class Destination(NamedTuple):
    """A server; `failing_since` is None while it answers, `txn_id` where no transaction has to be sent again."""

    server: ServerName
    failing_since: int | None = None
    attempts: int = 0
    retry_at: int = 0
    txn_id: str | None = None
    txn_body: bytes | None = None


class Batch(NamedTuple):
    """What waits for a server and fits into one transaction: the bodies with the numbers by which they are deleted."""

    events: list[tuple[EventNid, bytes]]
    edus: list[tuple[int, bytes]]


def take(tx: Transaction, server: ServerName, owner: str, now_ms: int, until: int) -> Destination | None:
    """Becomes the one who sends to a server; None where another process does."""
    sql = """
        INSERT INTO destinations (server, owner, lease_until) VALUES (:server, :owner, :until)
        ON CONFLICT (server) DO UPDATE SET owner = EXCLUDED.owner, lease_until = EXCLUDED.lease_until
        WHERE destinations.lease_until <= :now_ms OR destinations.owner = EXCLUDED.owner
        RETURNING server, failing_since, attempts, retry_at, txn_id, txn_body
    """
    row = tx.one(sql, server=server, owner=owner, now_ms=now_ms, until=until)
    return None if row is None else Destination(*row)


def release(tx: Transaction, owner: str) -> None:
    """Lets others send to all servers to which this one did."""
    tx.run("UPDATE destinations SET owner = NULL, lease_until = 0 WHERE owner = :owner", owner=owner)


def release_all(tx: Transaction) -> None:
    """Nobody sends to any server: for a process that is the only one."""
    tx.run("UPDATE destinations SET owner = NULL, lease_until = 0 WHERE owner IS NOT NULL")


def waiting(tx: Transaction, server: ServerName, most_events: int, most_edus: int) -> Batch:
    """What has waited longest for a server."""
    events = """
        SELECT o.event, e.body FROM outbox o JOIN events e ON e.nid = o.event
        WHERE o.destination = :server ORDER BY o.event LIMIT :limit
    """
    edus = "SELECT nid, body FROM outbox_edus WHERE destination = :server ORDER BY nid LIMIT :limit"
    return Batch(
        [(nid, bytes(body)) for nid, body in tx.rows(events, server=server, limit=most_events)],
        [(nid, bytes(body)) for nid, body in tx.rows(edus, server=server, limit=most_edus)],
    )


def arrived(tx: Transaction, server: ServerName, events: Sequence[EventNid], edus: Sequence[int], failed: bool) -> None:
    """A server has taken these; `failed`: it had not answered before."""
    if events:
        sql = "DELETE FROM outbox WHERE destination = :server AND event = ANY(:events)"
        tx.run(sql, server=server, events=list(events))
    if edus:
        tx.run("DELETE FROM outbox_edus WHERE nid = ANY(:edus)", edus=list(edus))
    if failed:
        sql = """
            UPDATE destinations SET failing_since = NULL, attempts = 0, retry_at = 0, txn_id = NULL, txn_body = NULL
            WHERE server = :server
        """
        tx.run(sql, server=server)


def failed(tx: Transaction, destination: Destination) -> None:
    """A server has not taken the transaction, which is kept to be sent again as it is."""
    sql = """
        UPDATE destinations SET failing_since = :failing_since, attempts = :attempts, retry_at = :retry_at,
            txn_id = :txn_id, txn_body = :txn_body
        WHERE server = :server
    """
    tx.run(sql, **destination._asdict())


def forget(tx: Transaction, server: ServerName) -> None:
    """Nothing is to be sent to a server any more."""
    tx.run("DELETE FROM outbox WHERE destination = :server", server=server)
    tx.run("DELETE FROM outbox_edus WHERE destination = :server", server=server)


def collapse(tx: Transaction, server: ServerName) -> int:
    """Of what waits for a server leaves the newest event of each room: it will ask for what lies before."""
    sql = """
        DELETE FROM outbox WHERE destination = :server AND event NOT IN (
            SELECT max(o.event) FROM outbox o JOIN events e ON e.nid = o.event
            WHERE o.destination = :server GROUP BY e.room
        )
    """
    return tx.run(sql, server=server)


def collapse_silent(tx: Transaction, before_ms: int, now_ms: int) -> None:
    """The same for servers that have not answered since a moment, a few of them: those whose turn was longest ago."""
    sql = """
        SELECT server FROM destinations WHERE failing_since IS NOT NULL AND failing_since <= :before_ms
        ORDER BY collapsed_at LIMIT :most
    """
    silent = [server for (server,) in tx.rows(sql, before_ms=before_ms, most=MOST_COLLAPSED)]
    for server in silent:
        collapse(tx, server)
    mark = "UPDATE destinations SET collapsed_at = :now_ms WHERE server = ANY(:silent)"
    tx.run(mark, now_ms=now_ms, silent=silent)


def due(tx: Transaction, but: Collection[ServerName], now_ms: int) -> list[ServerName]:
    """The servers for which something waits and which may be tried, but for some."""
    # Hops from destination to destination along the index: as long as there are destinations, not rows.
    sql = """
        WITH RECURSIVE events(server) AS (
            SELECT min(destination) FROM outbox
            UNION ALL
            SELECT (SELECT min(destination) FROM outbox WHERE destination > server) FROM events
            WHERE server IS NOT NULL
        ), edus(server) AS (
            SELECT min(destination) FROM outbox_edus
            UNION ALL
            SELECT (SELECT min(destination) FROM outbox_edus WHERE destination > server) FROM edus
            WHERE server IS NOT NULL
        )
        SELECT w.server FROM (SELECT server FROM events UNION SELECT server FROM edus) w
        LEFT JOIN destinations d ON d.server = w.server
        WHERE w.server IS NOT NULL AND COALESCE(d.retry_at, 0) <= :now_ms AND NOT w.server = ANY(:but)
    """
    return [server for (server,) in tx.rows(sql, now_ms=now_ms, but=list(but))]
