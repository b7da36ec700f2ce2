"""Figures about rooms and tables, for the operator; no client waits for them, so they may take seconds."""

from collections.abc import Mapping, Sequence
from typing import LiteralString, NamedTuple

from oriz_matrix.protocol.identifiers import RoomAlias, RoomId, UserId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, EventNid, Position, RoomNid

WITH_ROOMS: Sequence[LiteralString] = (
    "event_status",
    "state_branches",
    "room_trunks",
    "memberships",
    "threads",
    "mentions",
    "gaps",
    "incoming",
    "followed",
    "room_servers",
    "aliases",
    "receipts",
    "account_data",
    "shown_states",
    "typing",
)
"""The tables whose rows name their room."""

ROOM_ROWS: Mapping[str, LiteralString] = {
    "rooms": "SELECT nid, 1 FROM rooms WHERE nid = ANY(:rooms)",
    "events": """
        SELECT s.room, count(*) FROM event_status s JOIN events e ON e.nid = s.event
        WHERE s.room = ANY(:rooms) GROUP BY s.room
    """,
    "auth_edges": """
        SELECT s.room, count(*) FROM event_status s JOIN auth_edges a ON a.event = s.event
        WHERE s.room = ANY(:rooms) GROUP BY s.room
    """,
    "state_entries": """
        SELECT b.room, count(*) FROM state_branches b JOIN state_entries e ON e.branch = b.nid
        WHERE b.room = ANY(:rooms) GROUP BY b.room
    """,
    "transaction_ids": """
        SELECT s.room, count(*) FROM transaction_ids t JOIN event_status s ON s.event = t.event
        WHERE s.room = ANY(:rooms) GROUP BY s.room
    """,
    "outbox": """
        SELECT s.room, count(*) FROM outbox o JOIN event_status s ON s.event = o.event
        WHERE s.room = ANY(:rooms) GROUP BY s.room
    """,
    **{table: f"SELECT room, count(*) FROM {table} WHERE room = ANY(:rooms) GROUP BY room" for table in WITH_ROOMS},  # noqa: S608
}
"""How many rows of each table belong to each room; every table that refers to rooms or their events is here."""


class Figures(NamedTuple):
    """The figures of a room: who is joined, in all and of this server's users, and its events in the timeline."""

    nid: RoomNid
    room_id: RoomId
    version: str
    latest: Position
    published: bool
    members: int
    members_here: int
    events: int


def all_rooms(tx: Transaction) -> list[RoomNid]:
    """Every room that this server knows, in the order in which it came to know them."""
    return [room for (room,) in tx.rows("SELECT nid FROM rooms ORDER BY nid")]


def figures(tx: Transaction, rooms: Sequence[RoomNid]) -> list[Figures]:
    """The figures of these rooms, in the order of their numbers."""
    sql = """
        SELECT r.nid, r.room_id, r.version, r.latest, r.published, r.joined,
            (SELECT count(*) FROM memberships m JOIN accounts a ON a.user_nid = m.user_nid
                WHERE m.room = r.nid AND m.until = :forever AND m.membership = 'join'),
            (SELECT count(*) FROM event_status s WHERE s.room = r.nid AND s.position IS NOT NULL)
        FROM rooms r WHERE r.nid = ANY(:rooms) ORDER BY r.nid
    """
    return [Figures(*row) for row in tx.rows(sql, rooms=rooms, forever=FOREVER)]


def newest_events(tx: Transaction, rooms: Sequence[RoomNid]) -> dict[RoomNid, EventNid]:
    """The newest event of each room's timeline."""
    sql = """
        SELECT s.room, s.event FROM rooms r JOIN event_status s
            ON s.room = r.nid AND s.position = r.latest AND s.back = 0
        WHERE r.nid = ANY(:rooms)
    """
    return dict(tx.rows(sql, rooms=rooms))


def current_state(
    tx: Transaction, rooms: Sequence[RoomNid], types: Sequence[str]
) -> dict[tuple[RoomNid, str], EventNid]:
    """The current state events of these types under the empty state key, by room and type."""
    sql = """
        SELECT r.nid, k.type, e.event FROM state_keys k CROSS JOIN rooms r
        JOIN state_entries e ON e.branch = r.branch AND e.state_key = k.nid AND e.until = :forever
        WHERE k.state_key = '' AND k.type = ANY(:types) AND r.nid = ANY(:rooms) AND e.event IS NOT NULL
    """
    return {(room, kind): event for room, kind, event in tx.rows(sql, rooms=rooms, types=types, forever=FOREVER)}


def state_types(tx: Transaction, room: RoomNid) -> dict[str, int]:
    """How many current state events of each type a room has."""
    sql = """
        SELECT k.type, count(*) FROM rooms r JOIN state_entries e ON e.branch = r.branch AND e.until = :forever
        JOIN state_keys k ON k.nid = e.state_key WHERE r.nid = :room AND e.event IS NOT NULL
        GROUP BY k.type ORDER BY k.type
    """
    return dict(tx.rows(sql, room=room, forever=FOREVER))


def memberships(tx: Transaction, room: RoomNid) -> list[tuple[str, UserId]]:
    """The present membership of everybody who has or had one in a room."""
    sql = """
        SELECT m.membership, u.user_id FROM memberships m JOIN users u ON u.nid = m.user_nid
        WHERE m.room = :room AND m.until = :forever
    """
    return [(membership, user_id) for membership, user_id in tx.rows(sql, room=room, forever=FOREVER)]


def aliases(tx: Transaction, room: RoomNid) -> list[RoomAlias]:
    """The aliases of this server that point to a room."""
    return [alias for (alias,) in tx.rows("SELECT alias FROM aliases WHERE room = :room ORDER BY alias", room=room)]


def rows_of_rooms(tx: Transaction, rooms: Sequence[RoomNid]) -> dict[str, dict[RoomNid, int]]:
    """By table, how many of its rows belong to each room."""
    return {table: dict(tx.rows(sql, rooms=rooms)) for table, sql in ROOM_ROWS.items()}


def event_bytes(tx: Transaction, rooms: Sequence[RoomNid]) -> dict[RoomNid, int]:
    """What the bodies of each room's events take."""
    sql = """
        SELECT s.room, SUM(length(e.body)) FROM event_status s JOIN events e ON e.nid = s.event
        WHERE s.room = ANY(:rooms) GROUP BY s.room
    """
    return dict(tx.rows(sql, rooms=rooms))
