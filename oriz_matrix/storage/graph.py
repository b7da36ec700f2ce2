"""Events of a room as nodes of its graph, also those that are shown to nobody: what other servers are answered from."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.timeline import Place
from oriz_matrix.storage.transaction import Row, Transaction
from oriz_matrix.storage.types import BranchNid, EventNid, Position, RoomNid, StateKeyNid


class Node(NamedTuple):
    """An event's place; None for one that stands outside the timeline.

    before: the state before it, None where that is not known; is_rejected: it is not authorized there.
    """

    event: EventNid
    room: RoomNid
    place: Place | None
    before: StateAt | None
    is_state: bool
    is_redacted: bool
    is_rejected: bool


def nodes(tx: Transaction, nids: Collection[EventNid]) -> list[Node]:
    """The nodes of several events."""
    sql = """
        SELECT event, room, position, back, branch, state_at, state_key, redacted_by, rejected FROM event_status
        WHERE event = ANY(:events)
    """
    return [_node(row) for row in tx.rows(sql, events=list(nids))] if nids else []


def nodes_before(tx: Transaction, room: RoomNid, place: Place, limit: int) -> list[Node]:
    """The newest events at or before a place, newest first."""
    sql = """
        SELECT event, room, position, back, branch, state_at, state_key, redacted_by, rejected FROM event_status
        WHERE room = :room AND (position, back) <= (:position, :back)
        ORDER BY position DESC, back DESC LIMIT :limit
    """
    rows = tx.rows(sql, room=room, position=place.position, back=place.back, limit=limit)
    return [_node(row) for row in rows]


def _node(row: Row) -> Node:
    event, room, position, back, branch, state_at, state_key, redacted_by, rejected = row
    place = None if position is None else Place(position, back)
    # What came to be known later may have been lent a state, which is another server's word.
    before = None if position is None or back < 0 or branch is None else StateAt(branch, state_at)
    return Node(event, room, place, before, state_key is not None, redacted_by is not None, rejected is not None)


def fetched(
    tx: Transaction, room: RoomNid, key: StateKeyNid, positions: Sequence[Position]
) -> list[tuple[Place, EventNid]]:
    """The events under one state key among those that were fetched later into the gaps before positions, in order."""
    sql = """
        SELECT position, back, event FROM event_status
        WHERE room = :room AND position = ANY(:positions) AND back < 0 AND state_key = :key
        ORDER BY position, back
    """
    rows = tx.rows(sql, room=room, key=key, positions=list(positions)) if positions else ()
    return [(Place(position, back), event) for position, back, event in rows]


def trunks(tx: Transaction, room: RoomNid) -> list[tuple[Position, BranchNid]]:
    """The trunks that held a room's current state, oldest first, each with the position from which on it did."""
    sql = "SELECT since, branch FROM room_trunks WHERE room = :room ORDER BY since"
    return [(since, branch) for since, branch in tx.rows(sql, room=room)]
