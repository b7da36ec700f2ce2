"""Notices: what every worker must hear of and has no row of its own, such as the end of a session."""

from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

KEEP = 3600 * 16_384
"""How long a notice stays, in positions: an hour. A worker that is further behind empties its caches."""


def leave(tx: Transaction, channel: str) -> Position:
    """Leaves a notice on a channel at a new position."""
    position = tx.position()
    tx.run("INSERT INTO notices (position, channel) VALUES (:position, :channel)", position=position, channel=channel)
    return position


def forget(tx: Transaction, upto: Position) -> None:
    """Deletes the notices that are older than an hour."""
    tx.run("DELETE FROM notices WHERE position < :before", before=upto - KEEP)
