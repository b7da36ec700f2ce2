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
from oriz_matrix.storage.types import EventNid, Position, RoomNid, StateKeyNid

AFTER_LENT = Position(1)
"""Where a lent state has what its event changes; what was before that stands at 0."""


class Stored(NamedTuple):
    """What is known of an event. before: None where the state before it is not known. is_lent: that state, if any, is
    what another server said."""

    number: EventNid
    room: RoomNid
    position: Position | None
    is_lent: bool
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
        if self.before is None or not self.is_state or self.rejected is not None:
            return self.before
        at = AFTER_LENT if self.is_lent else self.position
        return StateAt(self.before.branch, at) if at is not None else None


def find(tx: Transaction, event_ids: Collection[EventId]) -> dict[EventId, Stored]:
    """Those of the events that are stored."""
    sql = """
        SELECT e.event_id, s.event, s.room, s.position, s.back, s.branch, s.state_at, s.state_key, s.rejected,
            s.soft_failed
        FROM events e JOIN event_status s ON s.event = e.nid WHERE e.event_id = ANY(:event_ids)
    """
    found = {}
    for row in tx.rows(sql, event_ids=list(event_ids)) if event_ids else ():
        event_id, nid, room, position, back, branch, state_at, state_key, rejected, soft_failed = row
        before = None if branch is None else StateAt(branch, state_at)
        is_lent = position is None or back < 0
        fate = (state_key is not None, rejected, bool(soft_failed))
        found[event_id] = Stored(nid, room, position, is_lent, before, *fate)
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
    """The states before and after an event that is kept, on a side branch where it must be.

    rejected, soft_failed: why, where it was; then it gets its place with it. Another is to be appended next
    (`append.arrive`), which writes down where its states are; until then they are not known, for what it changes may
    still change.
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
    if soft_failed is not None or rejected is not None:
        sql = """
            UPDATE event_status SET position = :position, back = 0,
                branch = :branch, state_at = :state_at, rejected = :rejected, soft_failed = :soft_failed,
                why = :why
            WHERE event = :event
        """
        tx.run(
            sql,
            event=number,
            position=position,
            branch=before.branch,
            state_at=before.position,
            rejected=rejected,
            soft_failed=soft_failed is not None,
            why=soft_failed,
        )
    return Stored(number, room, position, False, before, event.is_state, rejected, soft_failed is not None)


def lend(tx: Transaction, room: RoomNid, event: EventId, before: Fork, changes: StateKeyNid | None) -> None:
    """Gives an event whose states are not known the one before it that another server says, so that events on it can be
    judged; `changes` is the key that the event itself changes, if it does."""
    branch = room_state.fork(tx, room, before.base, before.changes)
    number = events.find(tx, [event])[event]
    if changes is not None:
        put = room_state.Changes(branch)
        put.put(changes, number, AFTER_LENT, replaces=True)
        put.write(tx)
    sql = "UPDATE event_status SET branch = :branch, state_at = 0 WHERE event = :event AND branch IS NULL"
    tx.run(sql, branch=branch, event=number)
