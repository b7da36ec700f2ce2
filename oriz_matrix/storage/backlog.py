"""What waits between this server and others, in figures for whoever watches it."""

from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction

MOST = 100_000
"""So far is counted: whoever looks every few seconds must cost nothing, and more than that is a trouble in any case."""


class Backlog(NamedTuple):
    """Events that wait to be judged; events and other messages that wait for other servers; servers that do not answer.

    Each up to MOST.
    """

    incoming_events: int
    outgoing_events: int
    outgoing_messages: int
    silent_servers: int


def count(tx: Transaction) -> Backlog:
    """As it is now."""
    return Backlog(
        tx.value("SELECT count(*) FROM (SELECT 1 FROM incoming LIMIT :most) few", most=MOST),
        tx.value("SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT :most) few", most=MOST),
        tx.value("SELECT count(*) FROM (SELECT 1 FROM outbox_edus LIMIT :most) few", most=MOST),
        tx.value(
            "SELECT count(*) FROM (SELECT 1 FROM destinations WHERE failing_since IS NOT NULL LIMIT :most) few",
            most=MOST,
        ),
    )
