"""Events of other servers on their way into a room: kept outside the timeline, or set aside there for ever.

An event whose state is not known is an outlier: it stands in no timeline, and only in the auth chains of others. One
that was rejected or soft-failed has a place, so that its state can be found, and is shown to nobody.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import events, interning, room_state, timeline
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.room_state import Fork
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, RoomNid


class Stored(NamedTuple):
    """What is known of an event; `before` is None where the state before it is not known."""

    number: EventNid
    room: RoomNid
    position: Position | None
    before: StateAt | None
    is_state: bool
    rejected: str | None
    soft_failed: bool

    @property
    def is_outlier(self) -> bool:
        """Whether it stands outside the timeline."""
        return self.position is None

    @property
    def is_hidden(self) -> bool:
        """Whether it is shown to nobody."""
        return self.soft_failed or self.rejected is not None

    @property
    def after(self) -> StateAt | None:
        """The state after it."""
        if self.before is None or self.position is None or not self.is_state or self.rejected is not None:
            return self.before
        return StateAt(self.before.branch, self.position)


def find(tx: Transaction, event_ids: Collection[EventId]) -> dict[EventId, Stored]:
    """Those of the events that are stored."""
    sql = """
        SELECT e.event_id, s.event, s.room, s.position, s.branch, s.state_at, s.state_key, s.rejected, s.soft_failed
        FROM events e JOIN event_status s ON s.event = e.nid WHERE e.event_id = ANY(:event_ids)
    """
    found = {}
    for row in tx.rows(sql, event_ids=list(event_ids)) if event_ids else ():
        event_id, nid, room, position, branch, state_at, state_key, rejected, soft_failed = row
        before = None if branch is None else StateAt(branch, state_at)
        found[event_id] = Stored(nid, room, position, before, state_key is not None, rejected, bool(soft_failed))
    return found


class Refused(NamedTuple):
    """An event that is shown to nobody: `rejected` for good, or else soft-failed; and why."""

    event_id: EventId
    received_at: Position
    rejected: bool
    reason: str | None


def refused(tx: Transaction, room: RoomNid, limit: int) -> list[Refused]:
    """The events of a room that are shown to nobody, the newest first."""
    sql = """
        SELECT e.event_id, s.event, s.rejected IS NOT NULL, COALESCE(s.rejected, s.why)
        FROM event_status s JOIN events e ON e.nid = s.event
        WHERE s.room = :room AND (s.rejected IS NOT NULL OR s.soft_failed) ORDER BY s.event DESC LIMIT :limit
    """
    rows = tx.rows(sql, room=room, limit=limit)
    return [Refused(event_id, nid, bool(rejected), reason) for event_id, nid, rejected, reason in rows]


def keep(tx: Transaction, room: RoomNid, new: Sequence[Event], rejected: Mapping[EventId, str]) -> None:
    """Stores events as outliers, each after those that authorize it; those that are stored already stay as they are."""
    known = events.find(tx, [event.event_id for event in new])
    absent = [event for event in new if event.event_id not in known]
    if not absent:
        return
    users = interning.users(tx, {event.sender for event in absent})
    keys = interning.many_state_keys(tx, {event.key for event in absent if event.is_state})
    auth = events.find(tx, {auth for event in absent for auth in event.auth_event_ids})
    numbers = [EventNid(position) for position in tx.positions(len(absent))]
    tx.pipeline()
    events.add(tx, room, dict(zip(numbers, absent, strict=True)))
    rows, edges = [], []
    for nid, event in zip(numbers, absent, strict=True):
        auth[event.event_id] = nid
        state_key = keys[event.key] if event.is_state else None
        rows.append(
            {
                "event": nid,
                "room": room,
                "sender": users[event.sender],
                "state_key": state_key,
                "rejected": rejected.get(event.event_id),
                "ts": timeline.moment(event),
            }
        )
        cited = [auth[one] for one in dict.fromkeys(event.auth_event_ids) if one in auth and auth[one] < nid]
        edges += [(nid, one) for one in cited] if event.is_state else []
    sql = """
        INSERT INTO event_status (event, room, sender, state_key, rejected, ts)
        VALUES (:event, :room, :sender, :state_key, :rejected, :ts)
    """
    tx.many(sql, rows)
    events.link_auth(tx, edges)


def acquit(tx: Transaction, event_ids: Collection[EventId]) -> None:
    """These outliers are rejected no more: they were judged again, by what is known now."""
    sql = """
        UPDATE event_status SET rejected = NULL
        WHERE position IS NULL AND rejected IS NOT NULL
            AND event IN (SELECT nid FROM events WHERE event_id = ANY(:event_ids))
    """
    tx.run(sql, event_ids=list(event_ids))


def branch_off(
    tx: Transaction,
    room: RoomNid,
    event: Event,
    before: StateAt | Fork,
    *,
    rejected: str | None = None,
    soft_failed: str | None = None,
) -> Stored:
    """Writes down the states before and after an event that is kept, on a side branch where it must be.

    rejected, soft_failed: why, where it was; then it gets its place with it. Another is to be appended next
    (`append.arrive`).
    """
    number = events.find(tx, [event.event_id])[event.event_id]
    key = interning.state_key(tx, event.key) if event.is_state else None
    changes_state = key is not None and rejected is None
    if isinstance(before, Fork):
        before = StateAt(room_state.fork(tx, room, before.base, before.changes), Position(0))
    if changes_state:
        branch = room_state.extend(tx, room, before)
        before = before if branch == before.branch else StateAt(branch, Position(0))
    position = tx.position()
    if changes_state and key is not None:
        put = room_state.Changes(before.branch)
        put.put(key, number, position, replaces=True)
        put.write(tx)
    place = None if soft_failed is None and rejected is None else position
    sql = """
        UPDATE event_status SET position = :position, back = :back,
            branch = :branch, state_at = :state_at, rejected = :rejected, soft_failed = :soft_failed,
            why = :why
        WHERE event = :event
    """
    tx.run(
        sql,
        event=number,
        position=place,
        back=None if place is None else 0,
        branch=before.branch,
        state_at=before.position,
        rejected=rejected,
        soft_failed=soft_failed is not None,
        why=soft_failed,
    )
    return Stored(number, room, position, before, event.is_state, rejected, soft_failed is not None)


def lend(tx: Transaction, room: RoomNid, event: EventId, after: Fork) -> None:
    """Gives an outlier the state that another server says to be after it, so that events on it can be judged.

    It stands as the state before the event too, which nobody asks of what is in no timeline.
    """
    branch = room_state.fork(tx, room, after.base, after.changes)
    sql = """
        UPDATE event_status SET branch = :branch, state_at = 0
        WHERE position IS NULL AND event = (SELECT nid FROM events WHERE event_id = :event_id)
    """
    tx.run(sql, branch=branch, event_id=event)
