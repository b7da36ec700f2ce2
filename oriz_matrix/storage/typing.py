"""Who is typing: unlogged rows with positions, the same path as everything else one can wait for."""

from collections.abc import Collection, Sequence

from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import Position, RoomNid, UserNid


def put(tx: Transaction, room: RoomNid, user: UserNid, expires_at: int, now_ms: int) -> bool:
    """A user types until `expires_at` (milliseconds), or stopped (0); whether that is news to the others."""
    tx.lock(f"typing {room} {user}")
    if expires_at > now_ms:
        # Decided by the row itself: `expire` may end the notice at this moment, and then this one is news again.
        prolong = """
            UPDATE typing SET expires_at = :expires_at WHERE room = :room AND user_nid = :user AND expires_at > :now
        """
        if tx.run(prolong, room=room, user=user, expires_at=expires_at, now=now_ms):
            return False
    else:
        sql = "SELECT expires_at FROM typing WHERE room = :room AND user_nid = :user"
        if (tx.value(sql, room=room, user=user) or 0) <= now_ms:
            return False
    upsert = """
        INSERT INTO typing (room, user_nid, expires_at, position) VALUES (:room, :user, :expires_at, :position)
        ON CONFLICT (room, user_nid) DO UPDATE SET expires_at = EXCLUDED.expires_at, position = EXCLUDED.position
    """
    tx.run(upsert, room=room, user=user, expires_at=expires_at, position=tx.position())
    return True


def expire(tx: Transaction, now_ms: int) -> list[tuple[RoomNid, UserNid]]:
    """Stops those whose time is over, so that the others hear of it; who, and where."""
    tx.lock("typing that ends")
    sql = "SELECT room, user_nid FROM typing WHERE expires_at > 0 AND expires_at <= :now"
    stopped = tx.rows(sql, now=now_ms)
    if stopped:
        position = tx.position()
        update = """
            UPDATE typing SET expires_at = 0, position = :position
            WHERE room = :room AND user_nid = :user AND expires_at <= :now
        """
        tx.many(update, [{"room": r, "user": u, "position": position, "now": now_ms} for r, u in stopped])
    return [(room, user) for room, user in stopped]


def stop(tx: Transaction, room: RoomNid, user: UserNid, position: Position) -> None:
    """Whoever leaves a room stops typing there."""
    sql = """
        UPDATE typing SET expires_at = 0, position = :position
        WHERE room = :room AND user_nid = :user AND expires_at > 0
    """
    tx.run(sql, room=room, user=user, position=position)


@single
def next_expiry(tx: Transaction) -> int | None:
    """When the next one stops by itself, in milliseconds."""
    expiry: int | None = tx.value("SELECT min(expires_at) FROM typing WHERE expires_at > 0")
    return expiry


def changed(tx: Transaction, rooms: Sequence[RoomNid], after: Position, but: Collection[UserNid] = ()) -> set[RoomNid]:
    """Those of the rooms in which somebody (`but` for these) began or stopped typing since."""
    sql = "SELECT room, user_nid FROM typing WHERE room = ANY(:rooms) AND position > :after"
    return {room for room, user in tx.rows(sql, rooms=rooms, after=after) if user not in but}


def typing(tx: Transaction, rooms: Sequence[RoomNid], now_ms: int) -> dict[RoomNid, list[UserNid]]:
    """By room, who types now."""
    sql = "SELECT room, user_nid FROM typing WHERE room = ANY(:rooms) AND expires_at > :now ORDER BY room, position"
    found: dict[RoomNid, list[UserNid]] = {}
    for room, user in tx.rows(sql, rooms=rooms, now=now_ms):
        found.setdefault(room, []).append(user)
    return found
