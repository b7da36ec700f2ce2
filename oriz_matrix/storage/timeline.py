"""The log of a room: events in the order of (position, back), pages of it, and what this server thinks of each.

A live event stands at (position, 0); events fetched later into the gap before position p stand at (p, -1), (p, -2), ...
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import BranchNid, EventNid, Position, RoomNid, StateKeyNid, ThreadNid, UserNid

LATEST = 2**63 - 1
"""The latest moment that is told apart, in milliseconds."""

LAST_BACK = 2**31
"""Above every `back`: (p, LAST_BACK) lies after all events at p."""


class Entry(NamedTuple):
    """An event's status: where it stands and what this server thinks of it.

    notifies: whether the default rules let it; unread, thread_unread: the counts of those in the main timeline and in
    its own thread just after it.
    """

    event: EventNid
    room: RoomNid
    sender: UserNid
    state_key: StateKeyNid | None
    replaces: EventNid | None
    position: Position
    back: int
    branch: BranchNid
    state_at: Position
    redacted_by: EventNid | None
    unread: int
    notifies: bool = False
    thread: ThreadNid | None = None
    thread_unread: int | None = None

    @property
    def before(self) -> StateAt:
        """The state before the event."""
        return StateAt(self.branch, self.state_at)


class Place(NamedTuple):
    """A place between events: those at or before (position, back) lie behind it."""

    position: int
    back: int = 0


def add(tx: Transaction, entries: Sequence[Entry], bodies: Mapping[EventNid, Event]) -> None:
    """Puts events at their places."""
    sql = """
        INSERT INTO event_status
            (event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, notifies, unread,
                thread, thread_unread, ts)
        VALUES (:event, :room, :sender, :state_key, :replaces, :position, :back, :branch, :state_at, :redacted_by,
            :notifies, :unread, :thread, :thread_unread, :ts)
    """
    tx.many(sql, [{**entry._asdict(), "ts": moment(bodies[entry.event])} for entry in entries])


def hide(tx: Transaction, events: Sequence[EventNid]) -> None:
    """Shows events to nobody."""
    tx.many("UPDATE event_status SET soft_failed = TRUE WHERE event = :event", [{"event": event} for event in events])


def lift(tx: Transaction, event: EventNid) -> None:
    """Forgets what was thought of an event that stood outside the timeline, or was rejected: it gets a place there."""
    sql = "DELETE FROM event_status WHERE event = :event AND (position IS NULL OR rejected IS NOT NULL)"
    tx.run(sql, event=event)


def moment(event: Event) -> int:
    """When an event was sent, as far as a column holds it; what is beyond is nobody's real clock."""
    return max(0, min(event.origin_server_ts, LATEST))


def mention(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Stores to whom events say something else than the counts do: the columns of `mentions`, the user as `user`."""
    sql = """
        INSERT INTO mentions (user_nid, room, position, event, notifies, highlights, counted)
        VALUES (:user, :room, :position, :event, :notifies, :highlights, :counted)
    """
    tx.many(sql, rows)


def before(tx: Transaction, room: RoomNid, place: Place, after: Place, limit: int) -> list[Entry]:
    """The newest events behind `place` that lie after `after`, newest first."""
    sql = """
        SELECT event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, unread,
            notifies, thread, thread_unread
        FROM event_status
        WHERE room = :room AND (position, back) <= (:position, :back) AND (position, back) > (:after, :after_back)
            AND rejected IS NULL AND NOT soft_failed
        ORDER BY position DESC, back DESC LIMIT :limit
    """
    rows = tx.rows(
        sql,
        room=room,
        position=place.position,
        back=place.back,
        after=after.position,
        after_back=after.back,
        limit=limit,
    )
    return [Entry(*row) for row in rows]


def newest(tx: Transaction, nids: Sequence[RoomNid], upto: Position, limit: int) -> dict[RoomNid, list[Entry]]:
    """Of each room the newest events at or before a position, newest first; some more where several share a place."""
    sql = """
        WITH cuts AS MATERIALIZED (
            SELECT value AS nid, COALESCE((
                SELECT position FROM event_status WHERE room = value AND position <= :upto
                ORDER BY position DESC, back DESC LIMIT 1 OFFSET :skip
            ), 0) AS oldest FROM EACH(:rooms)
        )
        SELECT event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, unread,
            notifies, thread, thread_unread
        FROM cuts JOIN event_status ON room = nid AND position >= oldest AND position <= :upto
        WHERE rejected IS NULL AND NOT soft_failed ORDER BY position DESC, back DESC
    """
    found: dict[RoomNid, list[Entry]] = {nid: [] for nid in nids}
    for row in tx.rows(sql, rooms=nids, upto=upto, skip=limit - 1):
        found[row[1]].append(Entry(*row))
    return found


def after(tx: Transaction, room: RoomNid, place: Place, upto: Place, limit: int) -> list[Entry]:
    """The oldest events after `place` that lie at or before `upto`, oldest first."""
    sql = """
        SELECT event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, unread,
            notifies, thread, thread_unread
        FROM event_status
        WHERE room = :room AND (position, back) > (:position, :back) AND (position, back) <= (:upto, :upto_back)
            AND rejected IS NULL AND NOT soft_failed
        ORDER BY position, back LIMIT :limit
    """
    rows = tx.rows(
        sql, room=room, position=place.position, back=place.back, upto=upto.position, upto_back=upto.back, limit=limit
    )
    return [Entry(*row) for row in rows]


class Moment(NamedTuple):
    """A place in the order of a room's events by the time at which they were sent, those of one time by number."""

    ts: int
    event: EventNid


def sent_from(tx: Transaction, room: RoomNid, moment: Moment, limit: int) -> list[tuple[Moment, Position]]:
    """The first events after a moment by the time at which they were sent, each with its position."""
    sql = """
        SELECT ts, event, position FROM event_status
        WHERE room = :room AND (ts, event) > (:ts, :event)
            AND position IS NOT NULL AND rejected IS NULL AND NOT soft_failed
        ORDER BY ts, event LIMIT :limit
    """
    rows = tx.rows(sql, room=room, ts=moment.ts, event=moment.event, limit=limit)
    return [(Moment(ts, event), position) for ts, event, position in rows]


def sent_until(tx: Transaction, room: RoomNid, moment: Moment, limit: int) -> list[tuple[Moment, Position]]:
    """The last events before a moment by the time at which they were sent, the last first, each with its position."""
    sql = """
        SELECT ts, event, position FROM event_status
        WHERE room = :room AND (ts, event) < (:ts, :event)
            AND position IS NOT NULL AND rejected IS NULL AND NOT soft_failed
        ORDER BY ts DESC, event DESC LIMIT :limit
    """
    rows = tx.rows(sql, room=room, ts=moment.ts, event=moment.event, limit=limit)
    return [(Moment(ts, event), position) for ts, event, position in rows]


def fetched(tx: Transaction, room: RoomNid, keys: Sequence[StateKeyNid]) -> list[Entry]:
    """The state events under some keys that were fetched into holes of a room's log, oldest first."""
    sql = """
        SELECT event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, unread,
            notifies, thread, thread_unread
        FROM event_status
        WHERE room = :room AND state_key = ANY(:keys) AND back < 0 AND rejected IS NULL AND NOT soft_failed
        ORDER BY position, back
    """
    return [Entry(*row) for row in tx.rows(sql, room=room, keys=list(keys))]


def place_back(tx: Transaction, events: Sequence[EventNid], position: Position, back: int, unread: int) -> None:
    """Puts outliers into the hole before a position, each older than the one before it, below `back`."""
    sql = """
        UPDATE event_status SET position = :position, back = :back, unread = :unread
        WHERE event = :event AND position IS NULL
    """
    rows = [
        {"event": event, "position": position, "back": back - number, "unread": unread}
        for number, event in enumerate(events, 1)
    ]
    tx.many(sql, rows)


def status(tx: Transaction, event: EventNid) -> Entry | None:
    """An event's status if it stands in the timeline and was accepted."""
    sql = """
        SELECT event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, unread,
            notifies, thread, thread_unread
        FROM event_status
        WHERE event = :event AND position IS NOT NULL AND rejected IS NULL AND NOT soft_failed
    """
    row = tx.one(sql, event=event)
    return None if row is None else Entry(*row)


def statuses(tx: Transaction, nids: Sequence[EventNid]) -> list[Entry]:
    """The statuses of several events, in the order of the room."""
    if not nids:
        return []
    sql = """
        SELECT event, room, sender, state_key, replaces, position, back, branch, state_at, redacted_by, unread,
            notifies, thread, thread_unread
        FROM event_status WHERE event = ANY(:events) ORDER BY position, back
    """
    return [Entry(*row) for row in tx.rows(sql, events=nids)]


def redact(tx: Transaction, room: RoomNid, event: EventNid, by: EventNid) -> None:
    """Marks an event of this room as redacted, unless it was before."""
    sql = "UPDATE event_status SET redacted_by = :by WHERE event = :event AND room = :room AND redacted_by IS NULL"
    tx.run(sql, event=event, room=room, by=by)


def unread_at(tx: Transaction, room: RoomNid, position: Position) -> int:
    """The room's count of notifying events just after a position."""
    sql = """
        SELECT unread FROM event_status WHERE room = :room AND position <= :position
        ORDER BY position DESC, back DESC LIMIT 1
    """
    return tx.value(sql, room=room, position=position) or 0


def unread_before(tx: Transaction, room: RoomNid, position: Position) -> int:
    """The room's count of notifying events just before the live event at a position."""
    return unread_at(tx, room, Position(position - 1))


def last_of_sender(tx: Transaction, room: RoomNid, sender: UserNid, upto: Position) -> tuple[Position, int] | None:
    """Position and count of a user's newest event in a room."""
    sql = """
        SELECT position, unread FROM event_status WHERE room = :room AND sender = :sender AND position <= :upto
        ORDER BY position DESC LIMIT 1
    """
    row = tx.one(sql, room=room, sender=sender, upto=upto)
    return None if row is None else (row[0], row[1])
