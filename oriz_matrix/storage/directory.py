"""The room directory: which rooms are published, the largest first, as far as users of this server are in them."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import RoomNid


class Place(NamedTuple):
    """Where a room stands in the list: by its members, then by its number."""

    joined: int
    room: RoomNid


FIRST = Place(2**63 - 1, RoomNid(2**63 - 1))
"""Before all rooms."""


def publish(tx: Transaction, room: RoomNid, *, published: bool) -> None:
    """Puts a room into the directory, or takes it out."""
    sql = "UPDATE rooms SET published = :published WHERE nid = :room AND published <> :published"
    tx.run(sql, room=room, published=published)


@single
def is_published(tx: Transaction, room_id: RoomId) -> bool | None:
    """Whether a room is in the directory; None for a room that this server does not know."""
    row = tx.one("SELECT published FROM rooms WHERE room_id = :room_id", room_id=room_id)
    return None if row is None else bool(row[0])


def smaller(tx: Transaction, place: Place, limit: int) -> list[Place]:
    """The published rooms after a place, the largest first."""
    sql = """
        SELECT joined, nid FROM rooms
        WHERE published AND (joined, nid) < (:joined, :room) AND joined > elsewhere
        ORDER BY joined DESC, nid DESC LIMIT :limit
    """
    return [Place(*row) for row in tx.rows(sql, joined=place.joined, room=place.room, limit=limit)]


def larger(tx: Transaction, place: Place, limit: int) -> list[Place]:
    """The published rooms before a place, the nearest first."""
    sql = """
        SELECT joined, nid FROM rooms
        WHERE published AND (joined, nid) > (:joined, :room) AND joined > elsewhere
        ORDER BY joined, nid LIMIT :limit
    """
    return [Place(*row) for row in tx.rows(sql, joined=place.joined, room=place.room, limit=limit)]


@single
def count(tx: Transaction) -> int:
    """How many rooms are published that somebody is in."""
    found: int = tx.value("SELECT count(*) FROM rooms WHERE published AND joined > 0")
    return found


def known(tx: Transaction, room_ids: Sequence[RoomId]) -> dict[RoomId, RoomNid]:
    """The numbers of those rooms that this server knows."""
    found = {room_id: name.nid for room_id in room_ids if (name := tx.caches.rooms_by_id.get(room_id)) is not None}
    absent = [room_id for room_id in room_ids if room_id not in found]
    if absent:
        sql = "SELECT room_id, nid FROM rooms WHERE room_id = ANY(:room_ids)"
        found.update(tx.rows(sql, room_ids=absent))
    return found
