"""What a homeserver's database says of a room: events with their fates and states, the ends, members and counts."""

from typing import NamedTuple

from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.storage import events, interning, room_state, rooms
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, RoomNid
from tests.support.graphs.graph import State
from tests.support.homeserver import Home


class Row(NamedTuple):
    """One event: its number, where it stands, and its fate; `before` is the state before it where that is known."""

    event_id: EventId
    number: int
    position: int | None
    back: int | None
    rejected: bool
    soft_failed: bool
    redacted: bool
    before: State | None

    @property
    def is_settled(self) -> bool:
        """Whether it came by itself, and was judged."""
        return self.position is not None and self.back == 0


class Seen(NamedTuple):
    """A room. rows: in the order of arrival; waiting: events that are not judged yet; members: with their events."""

    rows: list[Row]
    waiting: set[EventId]
    current: State
    room: Room
    members: dict[str, tuple[str, EventId]]
    servers: dict[ServerName, int]


async def look(home: Home, room_id: RoomId) -> Seen:
    """A room as it is now."""
    return await home.server.server.database.read(_look, room_id)


async def waiting(home: Home, room_id: RoomId) -> set[EventId]:
    """The events that are not judged yet."""
    return await home.server.server.database.read(_waiting, room_id)


def _look(tx: Transaction, room_id: RoomId) -> Seen:
    name = rooms.find(tx, room_id)
    assert name is not None
    room = rooms.get(tx, [name.nid])[name.nid]
    sql = "SELECT server, joined FROM room_servers WHERE room = :room"
    return Seen(
        rows=_rows(tx, name.nid),
        waiting=_waiting(tx, room_id),
        current=_state(tx, room.current),
        room=room,
        members=_members(tx, name.nid),
        servers=dict(tx.rows(sql, room=name.nid)),
    )


def _rows(tx: Transaction, room: RoomNid) -> list[Row]:
    sql = """
        SELECT e.event_id, s.event, s.position, s.back, s.rejected, s.soft_failed, s.redacted_by, s.branch, s.state_at
        FROM event_status s JOIN events e ON e.nid = s.event
        WHERE s.room = :room ORDER BY s.position, s.back, s.event
    """
    found = []
    for event_id, number, position, back, rejected, soft_failed, redacted_by, branch, state_at in tx.rows(
        sql, room=room
    ):
        before = None if branch is None or position is None or back < 0 else _state(tx, StateAt(branch, state_at))
        fate = (rejected is not None, bool(soft_failed), redacted_by is not None)
        found.append(Row(event_id, number, position, back, *fate, before))
    return found


def _state(tx: Transaction, state: StateAt) -> State:
    numbers = room_state.at(tx, state)
    keys, ids = interning.state_keys(tx, numbers), events.ids(tx, numbers.values())
    return {keys[key]: ids[event] for key, event in numbers.items()}


def _waiting(tx: Transaction, room_id: RoomId) -> set[EventId]:
    sql = "SELECT event_id FROM incoming WHERE room = (SELECT nid FROM rooms WHERE room_id = :room_id)"
    return {event_id for (event_id,) in tx.rows(sql, room_id=room_id)}


def _members(tx: Transaction, room: RoomNid) -> dict[str, tuple[str, EventId]]:
    sql = """
        SELECT u.user_id, m.membership, e.event_id FROM memberships m
        JOIN users u ON u.nid = m.user_nid JOIN events e ON e.nid = m.event
        WHERE m.room = :room AND m.until = :forever
    """
    return {user_id: (now, event_id) for user_id, now, event_id in tx.rows(sql, room=room, forever=FOREVER)}
