"""Invites that are taken back: the one event that is taken of a room in which nobody here is.

What authorizes it is not known here, so only the server through which somebody was invited may take that back, and only
for its own users. Server-server API says nothing of it; other servers do the same.
"""

from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import MatrixError
from oriz_matrix.protocol.event_contents import MEMBER
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId, domain_of
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.federation_in.verify import Verify
from oriz_matrix.storage import interning, membership, outside, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction

ENDS = ("leave", "ban")


class _Invited(NamedTuple):
    """A room that is known by an invite or a knock only, and the server through which that came about."""

    name: RoomName
    server: ServerName


class Retracted:
    """Takes such events."""

    def __init__(self, db: Database, verify: Verify, changes: Changes) -> None:
        self._db = db
        self._verify = verify
        self._changes = changes

    async def take(self, origin: ServerName, room_id: RoomId, pdu: dict[str, Any]) -> EventId | None:
        """Ends the membership of who is only invited here, or knocks; the event's id, None where it is another."""
        user_id, content = pdu.get("state_key"), pdu.get("content")
        if pdu.get("type") != MEMBER or not isinstance(user_id, str) or not isinstance(content, dict):
            return None
        if content.get("membership") not in ENDS or "\0" in user_id:
            return None
        invited = await self._db.read(_invited, room_id, UserId(user_id))
        if invited is None:
            return None
        try:
            event = await self._verify.event(pdu, invited.name.version)
        except MatrixError:
            return None
        if origin != domain_of(event.sender) or origin != invited.server:
            return None
        await self._db.write(_end, invited.name, event)
        self._changes.poke()
        return event.event_id


def _invited(tx: Transaction, room_id: RoomId, user_id: UserId) -> _Invited | None:
    name, user = rooms.find(tx, room_id), interning.find_user(tx, user_id)
    now = membership.now(tx, user, name.nid) if name is not None and user is not None else None
    if name is None or now is None or now.membership not in ("invite", "knock"):
        return None
    server = outside.server(tx, now.user, name.nid)
    return None if server is None else _Invited(name, server)


def _end(tx: Transaction, name: RoomName, event: Event) -> None:
    outside.set_membership(tx, name.nid, event)
