"""The threads of rooms as numbers, each with its newest event and its count of notifying events.

A row is written only by who holds its room's row.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, ThreadNid


class Thread(NamedTuple):
    """A thread; `unread` is how many of its events until `latest`, its newest, notify by the default rules."""

    nid: ThreadNid
    room: RoomNid
    root: EventId
    latest: Position
    unread: int


def of_roots(tx: Transaction, room: RoomNid, roots: Iterable[EventId]) -> dict[EventId, Thread]:
    """The threads of a room that start from these events; those that are new get their numbers now."""
    sql = """
        INSERT INTO threads (room, root) VALUES (:room, :root)
        ON CONFLICT (room, root) DO UPDATE SET root = EXCLUDED.root RETURNING nid, room, root, latest, unread
    """
    return {root: Thread(*tx.rows(sql, room=room, root=root)[0]) for root in roots}


def root(tx: Transaction, nid: ThreadNid) -> EventId:
    """The event that a thread starts from."""
    return EventId(tx.value("SELECT root FROM threads WHERE nid = :nid", nid=nid))


def save(tx: Transaction, threads: Sequence[Thread]) -> None:
    """Writes down how far threads have come."""
    sql = "UPDATE threads SET latest = :latest, unread = :unread WHERE nid = :nid"
    tx.many(sql, [{"nid": each.nid, "latest": each.latest, "unread": each.unread} for each in threads])
