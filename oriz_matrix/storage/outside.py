"""Memberships in rooms that this server takes no part in: invites and knocks of users here, and how they ended.

Their events are outliers; with an invite goes what the other server has shown of the room.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import ServerName, UserId
from oriz_matrix.storage import arrivals, events, interning, membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid, UserNid


class Shown(NamedTuple):
    """What a server has shown of a room that it is in: stripped state."""

    server: ServerName
    state: Sequence[dict[str, Any]]


def set_membership(tx: Transaction, room: RoomNid, event: Event, shown: Shown | None = None) -> EventNid:
    """A user's membership is what this event says; `shown` is what goes with an invite or a knock."""
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
            INSERT INTO shown_states (user_nid, room, server, body) VALUES (:user, :room, :server, :body)
            ON CONFLICT (user_nid, room) DO UPDATE SET server = EXCLUDED.server, body = EXCLUDED.body
        """
        tx.run(sql, user=user, room=room, server=shown.server, body=msgspec.json.encode(shown.state))
    changes = membership.Changes(room)
    changes.put(user, str(event.content.get("membership")), nid, tx.position(), before)
    changes.write(tx)
    return nid


def forget_shown(tx: Transaction, user: UserNid, room: RoomNid) -> None:
    """What another server has shown of a room is of no use any more."""
    tx.run("DELETE FROM shown_states WHERE user_nid = :user AND room = :room", user=user, room=room)


def server(tx: Transaction, user: UserNid, room: RoomNid) -> ServerName | None:
    """Through whom a user was invited to a room, or knocks there."""
    found: ServerName | None = tx.value(
        "SELECT server FROM shown_states WHERE user_nid = :user AND room = :room", user=user, room=room
    )
    return found


def shown(tx: Transaction, user: UserNid, rooms: Sequence[RoomNid]) -> dict[RoomNid, list[dict[str, Any]]]:
    """By room, what other servers have shown of their rooms to a user."""
    sql = "SELECT room, body FROM shown_states WHERE user_nid = :user AND room = ANY(:rooms)"
    return {room: msgspec.json.decode(body) for room, body in tx.rows(sql, user=user, rooms=list(rooms))}
