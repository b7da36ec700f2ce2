"""Memberships in rooms that this server takes no part in: invites and knocks of users here, and how they ended.

Their events are outliers; with an invite goes what the other server has shown of the room.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import arrivals, events, interning, membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid, UserNid


def set_membership(
    tx: Transaction, room: RoomNid, event: Event, shown: Sequence[dict[str, Any]] | None = None
) -> EventNid:
    """A user's membership is what this event says; `shown` is the stripped state of an invite or a knock."""
    arrivals.keep(tx, room, [event], {})
    nid = events.find(tx, [event.event_id])[event.event_id]
    user = interning.user(tx, UserId(event.key[1]))
    tx.lock(f"membership {user} {room}")
    before = membership.now(tx, user, room)
    if before is not None and before.event == nid:
        return nid
    if shown is None:
        forget_shown(tx, user, room)
    else:
        sql = """
            INSERT INTO shown_states (user_nid, room, body) VALUES (:user, :room, :body)
            ON CONFLICT (user_nid, room) DO UPDATE SET body = EXCLUDED.body
        """
        tx.run(sql, user=user, room=room, body=msgspec.json.encode(shown))
    changes = membership.Changes(room)
    changes.put(user, str(event.content.get("membership")), nid, tx.position(), before)
    changes.write(tx)
    return nid


def forget_shown(tx: Transaction, user: UserNid, room: RoomNid) -> None:
    """What another server has shown of a room is of no use any more."""
    tx.run("DELETE FROM shown_states WHERE user_nid = :user AND room = :room", user=user, room=room)


def shown(tx: Transaction, user: UserNid, rooms: Sequence[RoomNid]) -> dict[RoomNid, list[dict[str, Any]]]:
    """By room, what other servers have shown of their rooms to a user."""
    sql = "SELECT room, body FROM shown_states WHERE user_nid = :user AND room = ANY(:rooms)"
    return {room: msgspec.json.decode(body) for room, body in tx.rows(sql, user=user, rooms=list(rooms))}
