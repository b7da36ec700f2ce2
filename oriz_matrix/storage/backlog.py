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
    """As it is now; along indexes, as far as is counted."""
    incoming = "WITH few AS (SELECT nid FROM incoming WHERE nid > 0 LIMIT :most) SELECT count(*) FROM few"
    events = "WITH few AS (SELECT event FROM outbox WHERE destination > '' LIMIT :most) SELECT count(*) FROM few"
    messages = "WITH few AS (SELECT nid FROM outbox_edus WHERE nid > 0 LIMIT :most) SELECT count(*) FROM few"
    silent = """
        WITH few AS (
            SELECT server FROM destinations WHERE failing_since IS NOT NULL AND collapsed_at >= 0 LIMIT :most
        )
        SELECT count(*) FROM few
    """
    return Backlog(
        tx.value(incoming, most=MOST),
        tx.value(events, most=MOST),
        tx.value(messages, most=MOST),
        tx.value(silent, most=MOST),
    )
