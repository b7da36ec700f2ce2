"""Room aliases: making, listing and removing those of this server, and finding where any alias leads.

Source: client-server API, "Room aliases"; server-server API, GET /query/directory.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oriz_matrix.base.clock import Clock
from oriz_matrix.net.peers import uri
from oriz_matrix.protocol.authorization.power import may_send
from oriz_matrix.protocol.errors import AlreadyExists, Forbidden, InvalidParam, NotFound
from oriz_matrix.protocol.event_contents import CREATE, HISTORY_VISIBILITY, POWER_LEVELS, history_visibility
from oriz_matrix.protocol.identifiers import RoomAlias, RoomId, ServerName, domain_of, parse_room_id
from oriz_matrix.protocol.room_summaries import received_servers
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.queries import Queries, Question
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.canonical_alias import CANONICAL_ALIAS, keeping
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import aliases, membership, rooms, servers
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid

MOST_SERVERS = 50
"""So many servers of a room are told, those with the most members."""
LARGEST_ANSWER = 65536


class Resolved(NamedTuple):
    """Where an alias leads: the room, and servers through which it can be joined."""

    room_id: RoomId
    servers: list[ServerName]


class Aliases:
    """The aliases of this server, and where those of others lead."""

    def __init__(self, db: Database, append: Append, clock: Clock, server_name: ServerName, queries: Queries) -> None:
        self._db = db
        self._append = append
        self._clock = clock
        self._server_name = server_name
        self._queries = queries

    async def resolve(self, alias: RoomAlias) -> Resolved:
        """The room of an alias, and servers that are in it, asked of the alias' own server. Raises NotFound."""
        server = domain_of(alias)
        if server == self._server_name:
            return await self._db.read(_resolve, alias, server)
        return await self._queries.ask(server, _question(alias, server))

    async def resolve_for_server(self, alias: RoomAlias) -> Resolved:
        """The same for another server, of an alias of this one. Raises NotFound, InvalidParam."""
        if domain_of(alias) != self._server_name:
            raise InvalidParam("room_alias: not of this server")
        return await self._db.read(_resolve, alias, self._server_name)

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


def _resolve(tx: Transaction, alias: RoomAlias, own: ServerName) -> Resolved:
    nid = aliases.find(tx, alias)
    if nid is None:
        raise _not_found(alias)
    others = servers.in_room(tx, nid)[:MOST_SERVERS]
    room = rooms.get(tx, [nid])[nid]
    is_here = room.is_here or not others
    return Resolved(rooms.name(tx, nid).room_id, [own, *others] if is_here else others)


def _question(alias: RoomAlias, server: ServerName) -> Question[Resolved]:
    def read(content: Mapping[str, Any]) -> Resolved:
        room_id = parse_room_id(content.get("room_id"), "room_id")
        return Resolved(room_id, received_servers(content.get("servers")) or [server])

    query = [("room_alias", alias)]
    return Question(
        uri=uri("/_matrix/federation/v1/query/directory", query=query),
        read=read,
        missing=_not_found(alias).message,
        largest=LARGEST_ANSWER,
        is_kept=False,  # who makes an alias and joins by it does so at once
    )


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
