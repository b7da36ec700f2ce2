"""Invites that other servers bring to users here: this server signs them, if they are what they should be.

Server-server API, "Inviting to a room".
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import BadJson, Forbidden, IncompatibleRoomVersion, NotFound
from oriz_matrix.protocol.event_builder import countersigned
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId, domain_of
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.protocol.stripped_state import prune
from oriz_matrix.services.federation_in.verify import Verify
from oriz_matrix.services.membership.handshakes import is_membership
from oriz_matrix.services.membership.remote import Remote
from oriz_matrix.services.rooms import doors
from oriz_matrix.services.rooms.prepare import Prepare
from oriz_matrix.storage import accounts, interning, membership, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.outside import Shown
from oriz_matrix.storage.transaction import Transaction


class Brought(NamedTuple):
    """An invite as another server brings it; `shown`: what it shows of the room."""

    origin: ServerName
    room_id: RoomId
    event_id: EventId
    room_version: str
    pdu: Mapping[str, Any]
    shown: Any


class Invited:
    """Takes invites."""

    def __init__(self, db: Database, verify: Verify, remote: Remote, prepare: Prepare) -> None:
        self._db = db
        self._verify = verify
        self._remote = remote
        self._prepare = prepare

    async def take(self, brought: Brought) -> Event:
        """The invite with this server's signature. Raises IncompatibleRoomVersion, BadJson, Forbidden, NotFound."""
        version = ROOM_VERSIONS.get(brought.room_version)
        if version is None:
            raise IncompatibleRoomVersion(room_version=brought.room_version[:32])
        event = await self._verify.event(brought.pdu, version)
        self._check(brought, event)
        await self._db.read(_check_door, brought, event)
        signed = countersigned(event, self._prepare.server_name, self._prepare.key)
        await self._remote.invited(signed, Shown(brought.origin, prune(brought.shown)))
        return signed

    def _check(self, brought: Brought, event: Event) -> None:
        """Raises for an event that is not the invite that the path names (traps.md 27)."""
        if event.event_id != brought.event_id or event.room_id != brought.room_id:
            raise BadJson("event: another one than the path names")
        if not is_membership(event, "invite"):
            raise BadJson("event: must be an invite")
        if domain_of(event.key[1]) != self._prepare.server_name:
            raise Forbidden("state_key: not a user of this server")
        if domain_of(event.sender) != brought.origin and "third_party_invite" not in event.content:
            raise Forbidden("sender: a server brings invites of its own users")


def _check_door(tx: Transaction, brought: Brought, event: Event) -> None:
    user_id = UserId(event.key[1])
    account = accounts.find(tx, user_id)
    if account is None or account.user_id != user_id:
        raise NotFound("state_key: there is no such user")
    name = rooms.find(tx, brought.room_id)
    if name is None:
        return
    room = rooms.get(tx, [name.nid])[name.nid]
    if room.latest and name.version is not event.version:
        raise BadJson("room_version: the room has another one")
    if room.is_here:
        doors.require_allowed(tx, room, brought.origin)
    user = interning.find_user(tx, user_id)
    now = membership.now(tx, user, name.nid) if user is not None else None
    if now is not None and now.membership in ("join", "ban") and room.is_here:
        raise Forbidden("state_key: this user is in the room already, or banned")
