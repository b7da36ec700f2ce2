"""What users' push rules come to, room by room, as intervals of positions: the rules at the moment of an event decide.

Most rules that clients set only silence a room or leave its mentions; such a rule costs one row here, and not one for
each event. Source of the modes: `protocol.push.deviation`.
"""

from collections.abc import Mapping, Sequence

from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import FOREVER, Position, UserNid

EVERYWHERE = ""
"""In place of a room's id: the whole account."""

MUTED = "muted"
"""Nothing notifies."""

MENTIONS = "mentions"
"""Nothing notifies but what stands in `mentions`."""

OWN = "own"
"""The user has rules that are asked for each event (only with EVERYWHERE)."""


def put(tx: Transaction, user: UserNid, modes: Mapping[str, str], position: Position) -> None:
    """From `position` on these are a user's modes by room id; the caller holds the lock of the user's rules."""
    sql = "SELECT room_id, mode FROM push_modes WHERE user_nid = :user AND until = :forever"
    old: dict[str, str] = dict(tx.rows(sql, user=user, forever=FOREVER))
    close = """
        UPDATE push_modes SET until = :position
        WHERE user_nid = :user AND room_id = :room_id AND until = :forever
    """
    over = [room_id for room_id, mode in old.items() if modes.get(room_id) != mode]
    tx.many(close, [{"user": user, "room_id": each, "position": position, "forever": FOREVER} for each in over])
    insert = """
        INSERT INTO push_modes (user_nid, room_id, since, until, mode)
        VALUES (:user, :room_id, :position, :forever, :mode)
    """
    new = {room_id: mode for room_id, mode in modes.items() if old.get(room_id) != mode}
    rows = [
        {"user": user, "room_id": room_id, "position": position, "forever": FOREVER, "mode": mode}
        for room_id, mode in new.items()
    ]
    tx.many(insert, rows)


@single
def with_own_rules(tx: Transaction) -> frozenset[UserNid]:
    """All users whose rules must be asked one by one."""
    sql = "SELECT user_nid FROM push_modes WHERE mode = :own AND until = :forever"
    return frozenset(user for (user,) in tx.rows(sql, own=OWN, forever=FOREVER))


@single
def with_own_rules_among(tx: Transaction, users: Sequence[UserNid]) -> frozenset[UserNid]:
    """Those of some users whose rules must be asked one by one."""
    sql = """
        SELECT user_nid FROM push_modes
        WHERE mode = :own AND until = :forever AND user_nid = ANY(:users)
    """
    return frozenset(user for (user,) in tx.rows(sql, own=OWN, forever=FOREVER, users=users))
