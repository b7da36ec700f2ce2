"""Whose devices or cross-signing keys changed when, and who is to hear of it: those who share a room with them.

Of a user of here with whom nothing ever happened there is no row, and nobody is told when such a user comes or goes.
Source: client-server API, "Tracking the device list for a user"; server-server API, "Device Management".
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import ServerName, UserId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, Position, RoomNid, UserNid


class DeviceList(NamedTuple):
    """A user's row; see the schema. All is None where there is none."""

    position: Position | None = None
    stream_id: int | None = None
    known_since: Position | None = None
    stale: ServerName | None = None


def lock(tx: Transaction, user: UserNid) -> None:
    """Lets one change of a user's devices wait for the other."""
    tx.lock(f"device list {user}")


def get(tx: Transaction, user: UserNid) -> DeviceList:
    """What is noted of a user."""
    sql = "SELECT position, stream_id, known_since, stale FROM device_lists WHERE user_nid = :user"
    row = tx.one(sql, user=user)
    return DeviceList() if row is None else DeviceList(*row)


def note(tx: Transaction, user: UserNid) -> None:
    """Something about a user's devices has changed that other servers need not know, or are told without a number."""
    lock(tx, user)
    put(tx, user, tx.position())


def put(tx: Transaction, user: UserNid, position: Position, stream_id: int | None = None) -> None:
    """A user's devices changed at a position, told by an m.device_list_update of this number; called with the lock."""
    sql = """
        INSERT INTO device_lists (user_nid, position, stream_id) VALUES (:user, :position, :stream_id)
        ON CONFLICT (user_nid) DO UPDATE SET
            position = EXCLUDED.position, stream_id = COALESCE(EXCLUDED.stream_id, device_lists.stream_id)
    """
    tx.run(sql, user=user, position=position, stream_id=stream_id)


def mark_stale(tx: Transaction, user: UserNid, server: ServerName) -> None:
    """The devices of a user elsewhere changed in a way that is not known; the caller has the lock."""
    put(tx, user, tx.position())
    tx.run("UPDATE device_lists SET stale = :server WHERE user_nid = :user", user=user, server=server)


def stale(tx: Transaction, server: ServerName, limit: int) -> list[UserId]:
    """The users of a server whose devices are to be asked for anew, those first who have waited longest."""
    sql = """
        SELECT u.user_id FROM device_lists l JOIN users u ON u.nid = l.user_nid
        WHERE l.stale = :server ORDER BY l.position LIMIT :limit
    """
    return [user_id for (user_id,) in tx.rows(sql, server=server, limit=limit)]


def learn(tx: Transaction, user: UserNid, seen: DeviceList, stream_id: int | None) -> bool:
    """The devices of a user elsewhere are known from now on; the caller stores them.

    They were asked for when the row was as `seen`. False where it is not any more: something was heard meanwhile that
    the answer may not hold, and it is not to be stored.
    """
    lock(tx, user)
    before = get(tx, user)
    if (before.position, before.known_since) != (seen.position, seen.known_since):
        return False
    now = tx.position()
    # Who asked before, while they were stale or never yet known, and got no answer has to ask again.
    is_new = before.stale is not None or before.known_since is None
    position = now if is_new else before.position or 0
    sql = """
        INSERT INTO device_lists (user_nid, position, stream_id, known_since)
        VALUES (:user, :position, :stream_id, :now)
        ON CONFLICT (user_nid) DO UPDATE SET position = EXCLUDED.position, stream_id = EXCLUDED.stream_id,
            known_since = EXCLUDED.known_since, stale = NULL
    """
    tx.run(sql, user=user, position=position, stream_id=stream_id, now=now)
    return True


def forget(tx: Transaction, user: UserNid) -> None:
    """The devices of a user elsewhere are not known here any more, and nobody has to ask for them."""
    sql = "UPDATE device_lists SET known_since = NULL, stale = NULL WHERE user_nid = :user"
    tx.run(sql, user=user)


def sharing_here(tx: Transaction, users: Collection[UserNid]) -> set[UserNid]:
    """Those of the users elsewhere who are in a room with somebody of here."""
    rooms = rooms_of(tx, users)
    ours = with_us(tx, {room for some in rooms.values() for room in some})
    return {user for user, some in rooms.items() if not ours.keys().isdisjoint(some)}


def with_us(tx: Transaction, rooms: Collection[RoomNid]) -> dict[RoomNid, int]:
    """Those of the rooms that somebody of here is in, with how many are in it."""
    sql = "SELECT nid, joined FROM rooms WHERE nid = ANY(:rooms) AND joined > elsewhere"
    return dict(tx.rows(sql, rooms=list(rooms))) if rooms else {}


def rooms_of(tx: Transaction, users: Collection[UserNid]) -> dict[UserNid, list[RoomNid]]:
    """The rooms that users are in."""
    sql = """
        SELECT user_nid, room FROM memberships
        WHERE user_nid = ANY(:users) AND until = :forever AND membership = 'join'
    """
    found: dict[UserNid, list[RoomNid]] = {}
    for user, room in tx.rows(sql, users=list(users), forever=FOREVER):
        found.setdefault(user, []).append(room)
    return found


def changed(tx: Transaction, rooms: Collection[RoomNid], after: Position) -> set[UserNid]:
    """The members of rooms whose devices changed after a position."""
    sql = "SELECT user_nid FROM device_lists WHERE position > :after"
    return members(tx, rooms, {user for (user,) in tx.rows(sql, after=after)})


def have_come(tx: Transaction, rooms: Collection[RoomNid], after: Position) -> set[UserNid]:
    """Who has come into one of the rooms after a position and is still there."""
    sql = """
        SELECT m.user_nid FROM memberships m
        WHERE m.since > :after AND m.stay_since > :after AND m.until = :forever AND m.membership = 'join'
            AND m.room = ANY(:rooms)
            AND ((SELECT l.user_nid FROM device_lists l WHERE l.user_nid = m.user_nid) IS NOT NULL
                OR (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NULL)
    """
    return {user for (user,) in tx.rows(sql, after=after, rooms=list(rooms), forever=FOREVER)}


def changed_self(tx: Transaction, user: UserNid, after: Position) -> set[UserNid]:
    """The user, where their devices changed after a position: they hear of it in whatever rooms they are."""
    sql = "SELECT user_nid FROM device_lists WHERE user_nid = :user AND position > :after"
    return {changed for (changed,) in tx.rows(sql, user=user, after=after)}


def was_in(tx: Transaction, rooms: Sequence[RoomNid], user: UserNid, after: Position) -> list[RoomNid]:
    """Those of the rooms that a user was in at some time after a position."""
    sql = """
        SELECT DISTINCT room FROM memberships
        WHERE user_nid = :user AND room = ANY(:rooms) AND until > :after AND membership = 'join'
    """
    return [room for (room,) in tx.rows(sql, user=user, rooms=rooms, after=after)] if rooms else []


def were_in(tx: Transaction, rooms: Sequence[RoomNid], after: Position) -> set[UserNid]:
    """Who is in one of the rooms, or was after a position."""
    sql = """
        SELECT m.user_nid FROM memberships m
        WHERE m.room = ANY(:rooms) AND m.until > :after AND m.membership = 'join'
            AND ((SELECT l.user_nid FROM device_lists l WHERE l.user_nid = m.user_nid) IS NOT NULL
                OR (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NULL)
    """
    return {user for (user,) in tx.rows(sql, rooms=rooms, after=after)} if rooms else set()


def have_left(tx: Transaction, rooms: Sequence[RoomNid], after: Position) -> set[UserNid]:
    """Who was in one of the rooms and left it after a position; some of them may be back."""
    sql = """
        SELECT m.user_nid FROM memberships m
        WHERE m.room = ANY(:rooms) AND m.until > :after AND m.until < :forever AND m.membership = 'join'
            AND ((SELECT l.user_nid FROM device_lists l WHERE l.user_nid = m.user_nid) IS NOT NULL
                OR (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NULL)
    """
    return {user for (user,) in tx.rows(sql, rooms=rooms, after=after, forever=FOREVER)} if rooms else set()


def members(tx: Transaction, rooms: Collection[RoomNid], users: Collection[UserNid]) -> set[UserNid]:
    """Those of the users who are in one of the rooms."""
    sql = """
        SELECT user_nid FROM memberships
        WHERE user_nid = ANY(:users) AND until = :forever AND membership = 'join' AND room = ANY(:rooms)
    """
    if not users or not rooms:
        return set()
    return {user for (user,) in tx.rows(sql, users=list(users), rooms=list(rooms), forever=FOREVER)}
