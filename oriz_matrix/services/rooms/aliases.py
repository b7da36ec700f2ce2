"""Room aliases of this server: making, finding, listing and removing them. Client-server API, "Room aliases"."""

from collections.abc import Mapping
from typing import Any

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.authorization.power import may_send
from oriz_matrix.protocol.errors import AlreadyExists, Forbidden, InvalidParam, NotFound
from oriz_matrix.protocol.event_contents import CREATE, HISTORY_VISIBILITY, POWER_LEVELS, history_visibility
from oriz_matrix.protocol.identifiers import RoomAlias, RoomId, ServerName, domain_of
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.canonical_alias import CANONICAL_ALIAS, keeping
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import aliases, membership, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid


class Aliases:
    """The aliases of this server."""

    def __init__(self, db: Database, append: Append, clock: Clock, server_name: ServerName) -> None:
        self._db = db
        self._append = append
        self._clock = clock
        self._server_name = server_name

    async def find(self, alias: RoomAlias) -> tuple[RoomId, list[ServerName]]:
        """The room of an alias, and servers that are in it. Raises NotFound."""
        return await self._db.read(_find, alias), [self._server_name]

    async def add(self, requester: Requester, alias: RoomAlias, room_id: RoomId) -> None:
        """Points an alias to a room that the requester is in. Raises Forbidden, AlreadyExists."""
        refuse_suspended(requester)
        if domain_of(alias) != self._server_name:
            raise InvalidParam(f"roomAlias: must end in :{self._server_name}")
        try:
            await self._db.write(_add, requester.user, alias, room_id, self._clock.now_ms())
        except Duplicate:
            raise AlreadyExists(f"Room alias {alias} already exists") from None

    async def remove(self, requester: Requester, alias: RoomAlias) -> None:
        """Takes an alias away, from m.room.canonical_alias too where the requester may. Raises NotFound, Forbidden."""
        refuse_suspended(requester)
        room_id, content = await self._db.write(_remove, requester, alias)
        left = keeping(content, lambda other: other != alias)
        if left == content:
            return
        kind, state_key = CANONICAL_ALIAS
        draft = Draft(sender=requester.user_id, type=kind, state_key=state_key, content=left)
        try:
            await self._append.local(room_id, draft)
        except Forbidden:
            return  # the alias is gone all the same (DELETE /directory/room/{roomAlias}, note)

    async def of_room(self, requester: Requester, room_id: RoomId) -> list[RoomAlias]:
        """The aliases of a room that the requester is in, or that everybody may read. Raises Forbidden."""
        return await self._db.read(_of_room, requester.user, room_id)


def _find(tx: Transaction, alias: RoomAlias) -> RoomId:
    room = aliases.find(tx, alias)
    if room is None:
        raise _not_found(alias)
    return rooms.name(tx, room).room_id


def _add(tx: Transaction, user: UserNid, alias: RoomAlias, room_id: RoomId, now_ms: int) -> None:
    name = rooms.find(tx, room_id)
    if name is None or not _is_joined(tx, user, name.nid):
        raise Forbidden("room_id: you are not in this room, or it does not exist")
    aliases.add(tx, alias, name.nid, user, now_ms)


def _remove(tx: Transaction, requester: Requester, alias: RoomAlias) -> tuple[RoomId, Mapping[str, Any]]:
    """Removes an alias; its room, and the content of the room's m.room.canonical_alias."""
    found = aliases.hold(tx, alias)
    if found is None:
        raise _not_found(alias)
    room = rooms.get(tx, [found.room])[found.room]
    if found.creator != requester.user and not requester.is_admin and not _has_power(tx, requester, room):
        raise Forbidden("An alias is removed by who made it, or by who may set the room's main alias")
    aliases.remove(tx, alias)
    canonical = access.current(tx, room, [CANONICAL_ALIAS]).get(CANONICAL_ALIAS)
    return rooms.name(tx, room.nid).room_id, {} if canonical is None else canonical.content


def _has_power(tx: Transaction, requester: Requester, room: Room) -> bool:
    if not _is_joined(tx, requester.user, room.nid):
        return False
    state = access.current(tx, room, [CREATE, POWER_LEVELS])
    return may_send(requester.user_id, CANONICAL_ALIAS[0], state, is_state=True)


def _of_room(tx: Transaction, user: UserNid, room_id: RoomId) -> list[RoomAlias]:
    name = rooms.find(tx, room_id)
    if name is None or not (_is_joined(tx, user, name.nid) or _is_world_readable(tx, name.nid)):
        raise Forbidden("You are not in this room, or it does not exist")
    return aliases.of_room(tx, name.nid)


def _is_joined(tx: Transaction, user: UserNid, room: RoomNid) -> bool:
    now = membership.now(tx, user, room)
    return now is not None and now.membership == "join"


def _is_world_readable(tx: Transaction, room: RoomNid) -> bool:
    found = access.current(tx, rooms.get(tx, [room])[room], [HISTORY_VISIBILITY]).get(HISTORY_VISIBILITY)
    return history_visibility(found) == "world_readable"


def _not_found(alias: RoomAlias) -> NotFound:
    return NotFound(f"Room alias {alias} not found")
