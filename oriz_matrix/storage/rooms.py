"""The room row: version, ends of the event graph, where the current state stands, counts. Rewritten by each append."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.errors import RoomMoved
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import BranchNid, Position, RoomNid

Extremity = tuple[EventId, int]
"""An end of the event graph: id and depth."""


class Room(NamedTuple):
    """The room row; `elsewhere` counts those joined who are users of other servers."""

    nid: RoomNid
    current: StateAt
    latest: Position
    extremities: list[Extremity]
    joined: int
    invited: int
    unread: int
    elsewhere: int

    @property
    def is_here(self) -> bool:
        """Whether a user of this server is in it."""
        return self.joined > self.elsewhere

    @property
    def is_shared(self) -> bool:
        """Whether users of this server and of others are in it."""
        return 0 < self.elsewhere < self.joined

    @property
    def nothing(self) -> StateAt:
        """The state before the first event."""
        return StateAt(self.current.branch, Position(0))


def create(tx: Transaction, room_id: RoomId, version: RoomVersion) -> Room:
    """A new room without events, on a new trunk. Raises Duplicate when the id is taken."""
    sql = """
        INSERT INTO rooms (room_id, version, branch, state_at, latest, extremities)
        VALUES (:room_id, :version, 0, 0, 0, '[]') RETURNING nid
    """
    nid = RoomNid(tx.value(sql, room_id=room_id, version=version.name))
    branch = BranchNid(tx.value("INSERT INTO state_branches (room) VALUES (:room) RETURNING nid", room=nid))
    tx.run("UPDATE rooms SET branch = :branch WHERE nid = :room", branch=branch, room=nid)
    tx.run("INSERT INTO room_trunks (room, since, branch) VALUES (:room, 0, :branch)", room=nid, branch=branch)
    return Room(nid, StateAt(branch, Position(0)), Position(0), [], 0, 0, 0, 0)


def publish(tx: Transaction, nid: RoomNid) -> None:
    """Puts a room into the room directory."""
    tx.run("UPDATE rooms SET published = TRUE WHERE nid = :nid", nid=nid)


def hand_over_listing(tx: Transaction, old: RoomNid, new: RoomNid) -> None:
    """Puts a room into the room directory in place of another, if that is there."""
    if tx.run("UPDATE rooms SET published = FALSE WHERE nid = :old AND published", old=old):
        publish(tx, new)


def find(tx: Transaction, room_id: RoomId) -> RoomName | None:
    """What of a room does not change once it has events, or None when this server does not know the room."""
    if (known := tx.caches.rooms_by_id.get(room_id)) is not None:
        return known
    row = tx.one("SELECT nid, room_id, version, latest FROM rooms WHERE room_id = :room_id", room_id=room_id)
    return None if row is None else _learn(tx, row)


def name(tx: Transaction, nid: RoomNid) -> RoomName:
    """What of a room does not change once it has events."""
    if (known := tx.caches.rooms.get(nid)) is not None:
        return known
    row = tx.one("SELECT nid, room_id, version, latest FROM rooms WHERE nid = :nid", nid=nid)
    assert row is not None
    return _learn(tx, row)


def change_version(tx: Transaction, nid: RoomNid, version: RoomVersion) -> bool:
    """Takes another version for that of a room which has no events yet; whether it has none."""
    sql = "UPDATE rooms SET version = :version WHERE nid = :nid AND latest = 0"
    return tx.run(sql, version=version.name, nid=nid) > 0


def _learn(tx: Transaction, row: tuple[RoomNid, RoomId, str, Position]) -> RoomName:
    nid, room_id, version, latest = row
    found = RoomName(nid, room_id, ROOM_VERSIONS[version])
    if not latest:
        return found

    def publish() -> None:
        tx.caches.rooms.put(found.nid, found)
        tx.caches.rooms_by_id.put(found.room_id, found)

    tx.after_commit(publish)
    return found


def get(tx: Transaction, nids: Sequence[RoomNid]) -> dict[RoomNid, Room]:
    """Room rows as they are now."""
    sql = """
        SELECT nid, branch, state_at, latest, extremities, joined, invited, unread, elsewhere
        FROM rooms WHERE nid = ANY(:nids)
    """
    return {row[0]: from_row(row) for row in tx.rows(sql, nids=nids)}


def is_here(tx: Transaction, nid: RoomNid) -> bool:
    """Whether a user of this server is in a room."""
    return get(tx, [nid])[nid].is_here


def hold(tx: Transaction, nid: RoomNid, seen: StateAt) -> Room:
    """Holds the room row until the transaction ends. Raises RoomMoved when the current state is another by now."""
    sql = """
        SELECT nid, branch, state_at, latest, extremities, joined, invited, unread, elsewhere FROM rooms
        WHERE nid = :nid AND branch = :branch AND state_at = :state_at FOR UPDATE
    """
    row = tx.one(sql, nid=nid, branch=seen.branch, state_at=seen.position)
    if row is None:
        raise RoomMoved
    return from_row(row)


def with_event(room: Room, event: Event) -> Room:
    """The room with an event at the end of its graph."""
    rest = without_ends(room, event.prev_event_ids).extremities
    return room._replace(extremities=[*rest, (event.event_id, event.depth)])


def without_ends(room: Room, ids: Collection[EventId]) -> Room:
    """The room where these events are no ends of its graph any more."""
    return room._replace(extremities=[end for end in room.extremities if end[0] not in ids])


def save(tx: Transaction, room: Room) -> None:
    """Writes the whole row back; the caller holds it."""
    sql = """
        UPDATE rooms SET branch = :branch, state_at = :state_at, latest = :latest, extremities = :extremities,
            joined = :joined, invited = :invited, unread = :unread, elsewhere = :elsewhere
        WHERE nid = :nid
    """
    tx.run(
        sql,
        nid=room.nid,
        branch=room.current.branch,
        state_at=room.current.position,
        latest=room.latest,
        extremities=to_text(room.extremities),
        joined=room.joined,
        invited=room.invited,
        unread=room.unread,
        elsewhere=room.elsewhere,
    )


def to_text(extremities: Sequence[Extremity]) -> str:
    """The ends of the event graph as they are stored."""
    return msgspec.json.encode(extremities).decode()


def from_row(row: tuple[RoomNid, BranchNid, Position, Position, str, int, int, int, int]) -> Room:
    """The room of a row's columns, in the order of the queries above."""
    nid, branch, state_at, latest, extremities, joined, invited, unread, elsewhere = row
    ends = msgspec.json.decode(extremities, type=list[tuple[EventId, int]])
    return Room(nid, StateAt(branch, state_at), latest, ends, joined, invited, unread, elsewhere)
