"""Summaries of rooms for users who may not be in them, asked of other servers where this one is not in the room either.

Source: client-server API, "Room Summaries"; server-server API, GET /hierarchy.
"""

from collections.abc import Iterable
from typing import NamedTuple

from oriz_matrix.net.peers import uri
from oriz_matrix.protocol.errors import Forbidden, NotFound
from oriz_matrix.protocol.identifiers import RoomId, ServerName, parse_room_alias, parse_room_id
from oriz_matrix.protocol.room_summaries import Hierarchy, RoomSummary, received_hierarchy
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.queries import Queries, Question
from oriz_matrix.services.rooms import overviews
from oriz_matrix.services.rooms.aliases import Aliases
from oriz_matrix.storage import membership, outside, rooms, servers
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

LARGEST_HIERARCHY = 2 * 1024 * 1024
MOST_ASKED = 3
"""So many servers are asked for one room, one after the other."""


class SummaryOfRoom(RoomSummary, frozen=True, kw_only=True, omit_defaults=True):
    """A summary with what the requester is in the room; that is absent for who has not said who they are."""

    membership: str | None = None


class _Local(NamedTuple):
    """What is known here: the summary, if the requester may see it; whether it may; and other servers in the room."""

    is_known: bool
    summary: RoomSummary | None
    membership: str | None
    servers: list[ServerName]


class Summaries:
    """Reads summaries."""

    def __init__(self, db: Database, queries: Queries, aliases: Aliases, server_name: ServerName) -> None:
        self._db = db
        self._queries = queries
        self._aliases = aliases
        self._server_name = server_name

    async def of_room(self, requester: Requester | None, room: str, via: Iterable[ServerName]) -> SummaryOfRoom:
        """The summary of a room, given by its id or an alias, by the servers in `via` where it is not known here.

        Raises NotFound, also for what the requester may not see. Who has no account here makes this server ask nobody.
        """
        room_id, others = await self._named(room)
        user = None if requester is None else requester.user
        local = await self._db.read(_local, user, room_id)
        summary = local.summary
        if not local.is_known and user is not None:
            told = await self.ask([*via, *others, *local.servers], room_id, suggested_only=False)
            if told is not None and await self._db.read(overviews.is_told_of, told.room, user):
                summary = told.room
        if summary is None:
            raise NotFound("There is no such room, or you may not see it")
        fields = {name: getattr(summary, name) for name in RoomSummary.__struct_fields__}
        return SummaryOfRoom(**fields, membership=None if user is None else local.membership or "leave")

    async def ask(self, candidates: Iterable[ServerName], room_id: RoomId, *, suggested_only: bool) -> Hierarchy | None:
        """What the first of some servers that knows a room tells of it and its children; None where nobody does."""
        asked = [server for server in dict.fromkeys(candidates) if server != self._server_name]
        for server in asked[:MOST_ASKED]:
            try:
                return await self._queries.ask(server, _question(room_id, suggested_only=suggested_only))
            except (NotFound, Forbidden):
                continue
        return None

    async def _named(self, room: str) -> tuple[RoomId, list[ServerName]]:
        if room.startswith("#"):
            return await self._aliases.resolve(parse_room_alias(room, "roomIdOrAlias"))
        return parse_room_id(room, "roomIdOrAlias"), []


def _question(room_id: RoomId, *, suggested_only: bool) -> Question[Hierarchy]:
    query = [("suggested_only", "true" if suggested_only else "false")]
    return Question(
        uri=uri("/_matrix/federation/v1/hierarchy", room_id, query=query),
        read=lambda content: received_hierarchy(content, room_id),
        missing="There is no such room, or your server may not see it",
        largest=LARGEST_HIERARCHY,
    )


def leading(tx: Transaction, user: UserNid | None, room_id: RoomId) -> list[ServerName]:
    """Servers that can tell of a room: through whom the user was invited, and who is in it as far as is known here."""
    name = rooms.find(tx, room_id)
    if name is None:
        return []
    inviting = None if user is None else outside.server(tx, user, name.nid)
    return [*([] if inviting is None else [inviting]), *servers.in_room(tx, name.nid)[:MOST_ASKED]]


def _local(tx: Transaction, user: UserNid | None, room_id: RoomId) -> _Local:
    name = rooms.find(tx, room_id)
    if name is None:
        return _Local(False, None, None, [])
    now = None if user is None else membership.now(tx, user, name.nid)
    found = None if now is None else now.membership
    seen = overviews.overview(tx, room_id)
    if seen is None:
        return _Local(False, None, found, leading(tx, user, room_id))
    return _Local(True, seen.summary if overviews.is_seen_by_user(tx, seen, user) else None, found, [])
