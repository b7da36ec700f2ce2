"""Who is where, as intervals of positions: by user and by room, now and as of a settled position."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import FOREVER, EventNid, Position, RoomNid, UserNid


class Membership(NamedTuple):
    """One stay of a user in one state of membership; `stay_since` is when this run of the same membership began."""

    user: UserNid
    room: RoomNid
    since: Position
    membership: str
    event: EventNid
    stay_since: Position
    forgotten: bool = False


def now(tx: Transaction, user: UserNid, room: RoomNid) -> Membership | None:
    """A user's membership of a room as it is now."""
    sql = """
        SELECT user_nid, room, since, membership, event, stay_since FROM memberships
        WHERE user_nid = :user AND room = :room ORDER BY since DESC LIMIT 1
    """
    row = tx.one(sql, user=user, room=room)
    return None if row is None else Membership(*row)


def of_users_in(tx: Transaction, users: Sequence[UserNid], room: RoomNid) -> dict[UserNid, Membership]:
    """The memberships of several users in a room as they are now."""
    sql = """
        SELECT user_nid, room, since, membership, event, stay_since FROM memberships
        WHERE user_nid = ANY(:users) AND room = :room AND until = :forever
    """
    return {row[0]: Membership(*row) for row in tx.rows(sql, users=users, room=room, forever=FOREVER)} if users else {}


def all_of(tx: Transaction, room: RoomNid) -> dict[UserNid, Membership]:
    """Everybody's membership of a room as it is now."""
    sql = """
        SELECT user_nid, room, since, membership, event, stay_since FROM memberships
        WHERE room = :room AND until = :forever
    """
    return {row[0]: Membership(*row) for row in tx.rows(sql, room=room, forever=FOREVER)}


class Changes:
    """Changes of memberships in one room, gathered and then written together."""

    def __init__(self, room: RoomNid) -> None:
        self._room = room
        self._closed: list[dict[str, object]] = []
        self._opened: dict[UserNid, dict[str, object]] = {}
        self._done: list[dict[str, object]] = []

    def put(
        self, user: UserNid, membership: str, event: EventNid, position: Position, before: Membership | None
    ) -> Membership:
        """From `position` on a user has this membership; `before` is the one that ends."""
        if user in self._opened:
            self._done.append({**self._opened.pop(user), "until": position})
        elif before is not None:
            self._closed.append({"user": user, "room": self._room, "since": before.since, "until": position})
        same = before is not None and before.membership == membership
        stay_since = before.stay_since if before is not None and same else position
        new = Membership(user, self._room, position, membership, event, stay_since)
        self._opened[user] = {**new._asdict(), "until": FOREVER}
        return new

    def write(self, tx: Transaction) -> None:
        """Writes all changes."""
        close = "UPDATE memberships SET until = :until WHERE user_nid = :user AND room = :room AND since = :since"
        tx.many(close, self._closed)
        insert = """
            INSERT INTO memberships (user_nid, room, since, until, membership, event, stay_since)
            VALUES (:user, :room, :since, :until, :membership, :event, :stay_since)
        """
        tx.many(insert, [*self._done, *self._opened.values()])


@single
def of_user(tx: Transaction, user: UserNid, at: Position) -> list[Membership]:
    """All memberships of a user as of a position; `forgotten` tells of now."""
    sql = """
        SELECT user_nid, room, since, membership, event, stay_since, forgotten FROM memberships
        WHERE user_nid = :user AND until > :at AND since <= :at
    """
    return [Membership(*row) for row in tx.rows(sql, user=user, at=at)]


def of_user_in(tx: Transaction, user: UserNid, room: RoomNid) -> list[Membership]:
    """A user's memberships of one room through time, oldest first; none of a room that they forgot."""
    sql = """
        SELECT user_nid, room, since, membership, event, stay_since, forgotten FROM memberships
        WHERE user_nid = :user AND room = :room ORDER BY since
    """
    found = [Membership(*row) for row in tx.rows(sql, user=user, room=room)]
    return [] if found and found[-1].forgotten else found


def forget(tx: Transaction, user: UserNid, room: RoomNid) -> bool:
    """A user forgets a room, until their next membership of it; False where they have not left it."""
    sql = """
        UPDATE memberships SET forgotten = TRUE
        WHERE user_nid = :user AND room = :room AND until = :forever AND membership IN ('leave', 'ban')
    """
    return tx.run(sql, user=user, room=room, forever=FOREVER) > 0


def of_user_in_rooms(
    tx: Transaction, user: UserNid, rooms: Sequence[RoomNid]
) -> dict[RoomNid, list[tuple[Position, str]]]:
    """A user's memberships of several rooms through time, oldest first, as (since, membership)."""
    sql = """
        SELECT room, since, membership FROM memberships WHERE user_nid = :user AND room = ANY(:rooms) ORDER BY since
    """
    found: dict[RoomNid, list[tuple[Position, str]]] = {}
    for room, since, membership in tx.rows(sql, user=user, rooms=rooms):
        found.setdefault(room, []).append((since, membership))
    return found


def joined_rooms(tx: Transaction, user: UserNid) -> list[RoomNid]:
    """The rooms that a user is joined to now."""
    sql = "SELECT room FROM memberships WHERE user_nid = :user AND until = :forever AND membership = 'join'"
    return [room for (room,) in tx.rows(sql, user=user, forever=FOREVER)]


def members(tx: Transaction, room: RoomNid, membership: str, at: Position) -> list[UserNid]:
    """The users with a membership of a room as of a position."""
    sql = """
        SELECT user_nid FROM memberships
        WHERE room = :room AND until > :at AND since <= :at AND membership = :membership
    """
    return [user for (user,) in tx.rows(sql, room=room, membership=membership, at=at)]


def events_of(tx: Transaction, room: RoomNid, membership: str) -> list[EventNid]:
    """The member events of everybody with a membership of a room now, in the order in which they got it."""
    sql = """
        SELECT event FROM memberships WHERE room = :room AND until = :forever AND membership = :membership
        ORDER BY since
    """
    return [event for (event,) in tx.rows(sql, room=room, membership=membership, forever=FOREVER)]


def members_here(tx: Transaction, room: RoomNid) -> list[UserNid]:
    """The users of this server who are joined to a room now."""
    # Asked row by row: a join would let the engine read all accounts.
    sql = """
        SELECT m.user_nid FROM memberships m
        WHERE m.room = :room AND m.until = :forever AND m.membership = 'join'
            AND (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NOT NULL
    """
    return [user for (user,) in tx.rows(sql, room=room, forever=FOREVER)]


class Stay(NamedTuple):
    """From when to when somebody had a membership."""

    since: Position
    until: Position
    membership: str


def stays_of_server(tx: Transaction, room: RoomNid, server: ServerName, first: Position, last: Position) -> list[Stay]:
    """When users of a server were joined or invited to a room, of the time between two positions."""
    # The name is asked row by row: a join would let the engine read all users.
    sql = """
        SELECT user_id, since, until, membership FROM (
            SELECT (SELECT u.user_id FROM users u WHERE u.nid = m.user_nid) AS user_id, since, until, membership
            FROM memberships m
            WHERE room = :room AND until >= :first AND since <= :last AND membership IN ('join', 'invite')
        ) AS stays WHERE user_id LIKE :pattern
    """
    rows = tx.rows(sql, room=room, first=first, last=last, pattern=f"%:{server}")
    return [Stay(*row) for user_id, *row in rows if domain_of(user_id) == server]


def guests(tx: Transaction, room: RoomNid) -> list[UserId]:
    """The guests of this server who are joined to a room now."""
    sql = """
        SELECT (SELECT u.user_id FROM users u WHERE u.nid = m.user_nid) FROM memberships m
        WHERE m.room = :room AND m.until = :forever AND m.membership = 'join'
            AND (SELECT a.is_guest FROM accounts a WHERE a.user_nid = m.user_nid)
    """
    return [user_id for (user_id,) in tx.rows(sql, room=room, forever=FOREVER)]


HEROES = 5


def heroes(tx: Transaction, room: RoomNid, but: UserNid, memberships: Sequence[str], at: Position) -> list[UserNid]:
    """The first users with one of these memberships, in the order in which they came, leaving one out: five.

    Where nobody is left out (0) there are six, so that five remain whoever is left out later.
    """
    sql = """
        SELECT user_nid FROM memberships
        WHERE room = :room AND until > :at AND since <= :at AND membership = ANY(:memberships) AND user_nid <> :but
        ORDER BY stay_since, user_nid LIMIT :limit
    """
    limit = HEROES if but else HEROES + 1
    return [user for (user,) in tx.rows(sql, room=room, but=but, memberships=memberships, at=at, limit=limit)]
