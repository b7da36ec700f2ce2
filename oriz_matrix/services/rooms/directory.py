"""The room directory: which rooms this server publishes, and the lists of other servers.

Source: client-server API, "Published room directory"; server-server API, "Published Room Directory".
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from oriz_matrix.net.peers import uri
from oriz_matrix.protocol.authorization.power import may_send
from oriz_matrix.protocol.errors import Forbidden, InvalidParam, NotFound
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS
from oriz_matrix.protocol.identifiers import RoomId, ServerName
from oriz_matrix.protocol.room_summaries import CANONICAL_ALIAS, RoomList, RoomSummary, received_rooms
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.queries import Queries, Question
from oriz_matrix.services.rooms import access, overviews
from oriz_matrix.services.rooms.overviews import Overview
from oriz_matrix.storage import directory, membership, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.directory import FIRST, Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

PUBLIC_ROOMS = "/_matrix/federation/v1/publicRooms"
MOST: Final = 500
"""The most rooms of one page; as many without a limit."""
CHUNK = 100
MAX_LOOKED_AT = 5_000
"""Rooms that one request looks at while its filter leaves out most of them."""
LARGEST_LIST = 4 * 1024 * 1024

_TOKEN = re.compile(r"([np])([0-9]{1,18})_([0-9]{1,18})")


class ListRequest(NamedTuple):
    """What is asked of a room list. term: to be found in name, topic or main alias; types: None in it stands for rooms
    without a type; network: of a bridge."""

    limit: int | None = None
    since: str | None = None
    term: str | None = None
    types: Sequence[str | None] | None = None
    all_networks: bool = False
    network: str | None = None

    @property
    def most(self) -> int:
        """How many rooms are wanted. Raises InvalidParam."""
        if self.limit is not None and self.limit < 0:
            raise InvalidParam("limit: must not be negative")
        return min(self.limit or MOST, MOST)

    def lets_through(self, summary: RoomSummary) -> bool:
        """Whether a room is wanted."""
        if self.types is not None and summary.room_type not in self.types:
            return False
        texts = (summary.name, summary.topic, summary.canonical_alias)
        term = (self.term or "").casefold()
        return not term or any(term in text.casefold() for text in texts if text is not None)


class RoomsFilter(msgspec.Struct):
    """What is searched for; None among the types stands for rooms without a type."""

    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class RoomsBody(msgspec.Struct):
    """The body of POST /publicRooms."""

    limit: int | None = None
    since: str | None = None
    filter: RoomsFilter | None = None
    include_all_networks: bool | None = None
    third_party_instance_id: str | None = None

    @property
    def request(self) -> ListRequest:
        """What it asks."""
        wanted = self.filter or RoomsFilter()
        return ListRequest(
            limit=self.limit,
            since=self.since,
            term=wanted.generic_search_term,
            types=wanted.room_types,
            all_networks=bool(self.include_all_networks),
            network=self.third_party_instance_id,
        )


class _Point(NamedTuple):
    """Where a page begins, and which way it goes."""

    place: Place
    forwards: bool

    @property
    def behind(self) -> Place:
        """From where the room at the place is found by going the other way."""
        return Place(self.place.joined, RoomNid(self.place.room + (-1 if self.forwards else 1)))

    def __str__(self) -> str:
        return f"{'n' if self.forwards else 'p'}{self.place.joined}_{self.place.room}"


class _Listed(NamedTuple):
    """A published room at its place; None for one that is not known well enough."""

    place: Place
    seen: Overview | None


class _Found(NamedTuple):
    """What a search has found, up to which place it came, and whether there may be more behind it."""

    rooms: list[_Listed]
    reached: Place
    more: bool


class Directory:
    """Lists rooms, and changes which are listed."""

    def __init__(self, db: Database, queries: Queries, server_name: ServerName) -> None:
        self._db = db
        self._queries = queries
        self._server_name = server_name

    async def page(self, request: ListRequest, server: ServerName | None = None) -> RoomList:
        """A page of this server's list, or of another's. Raises InvalidParam, and NotFound for who does not answer."""
        if request.all_networks and request.network is not None:
            raise InvalidParam("third_party_instance_id: only without include_all_networks")
        if server is not None and server != self._server_name:
            return await self._queries.ask(server, _question(server, request))
        return await self._own(request, lambda seen: seen.may_be_listed)

    async def page_for(self, origin: ServerName, request: ListRequest) -> RoomList:
        """A page of this server's list for another, without the rooms where its users could not be."""
        if request.all_networks and request.network is not None:
            raise InvalidParam("third_party_instance_id: only without include_all_networks")
        return await self._own(request, lambda seen: seen.may_be_listed and seen.admits(origin))

    async def is_published(self, room_id: RoomId) -> bool:
        """Whether a room is in the directory. Raises NotFound."""
        published = await self._db.read(directory.is_published, room_id)
        if published is None:
            raise NotFound("Room not found")
        return published

    async def publish(self, requester: Requester, room_id: RoomId, *, published: bool) -> None:
        """Puts a room into the directory or takes it out: for those who may set its main alias, and administrators.

        Raises NotFound, Forbidden.
        """
        refuse_suspended(requester)
        await self._db.write(_publish, requester, room_id, published=published)

    async def _own(self, request: ListRequest, may_be_shown: Callable[[Overview], bool]) -> RoomList:
        count = request.most
        point = _Point(FIRST, True) if request.since is None else _parse(request.since)
        if request.network is not None:
            return RoomList(chunk=())  # no bridges here
        estimate = await self._db.read(directory.count)
        found = await self._search(point, count, lambda seen: may_be_shown(seen) and request.lets_through(seen.summary))
        shown = found.rooms[:count]
        near = shown[0].place if shown else point.behind
        far = shown[-1].place if len(shown) < len(found.rooms) else found.reached if found.more else None
        if not point.forwards:
            shown.reverse()
            near, far = far or FIRST, near
        return RoomList(
            chunk=[one.seen.summary.published for one in shown if one.seen is not None],
            next_batch=None if far is None else str(_Point(far, True)),
            prev_batch=None if FIRST in (near, point.place) else str(_Point(near, False)),
            total_room_count_estimate=estimate,
        )

    async def _search(self, point: _Point, count: int, wanted: Callable[[Overview], bool]) -> _Found:
        """Rooms from a point on: one more than wanted, if there is one."""
        place, found, looked_at, more = point.place, list[_Listed](), 0, True
        while more and len(found) <= count and looked_at < MAX_LOOKED_AT:
            size = CHUNK if count >= CHUNK else count + 1
            listed = await self._db.read(_listed, point._replace(place=place), size)
            more = len(listed) == size
            looked_at += size
            found += [one for one in listed if one.seen is not None and wanted(one.seen)]
            place = listed[-1].place if listed else place
        return _Found(found, place, more or len(found) > count)


def _question(server: ServerName, request: ListRequest) -> Question[RoomList]:
    """Without a filter by GET, which every server knows."""
    limit, missing = request.most, f"{server} has no room list"
    if request.term is None and request.types is None:
        query = [("limit", str(limit)), ("include_all_networks", "true" if request.all_networks else "false")]
        query += [("since", request.since)] if request.since is not None else []
        query += [("third_party_instance_id", request.network)] if request.network is not None else []
        return Question(uri(PUBLIC_ROOMS, query=query), received_rooms, missing, LARGEST_LIST)
    wanted = {"generic_search_term": request.term, "room_types": request.types}
    body: dict[str, Any] = {
        "limit": limit,
        "include_all_networks": request.all_networks,
        "filter": {name: value for name, value in wanted.items() if value is not None},
        **({"since": request.since} if request.since is not None else {}),
        **({"third_party_instance_id": request.network} if request.network is not None else {}),
    }
    return Question(PUBLIC_ROOMS, received_rooms, missing, LARGEST_LIST, body)


def _listed(tx: Transaction, point: _Point, limit: int) -> list[_Listed]:
    step = directory.smaller if point.forwards else directory.larger
    places = step(tx, point.place, limit)
    seen = overviews.overviews(tx, [place.room for place in places])
    return [_Listed(place, seen.get(place.room)) for place in places]


def _publish(tx: Transaction, requester: Requester, room_id: RoomId, *, published: bool) -> None:
    name = rooms.find(tx, room_id)
    if name is None:
        raise NotFound("Room not found")
    if not requester.is_admin and not _has_power(tx, requester, name.nid):
        raise Forbidden("Only who may set the room's main alias may publish it or take it off the list")
    directory.publish(tx, name.nid, published=published)


def _has_power(tx: Transaction, requester: Requester, room: RoomNid) -> bool:
    now = membership.now(tx, requester.user, room)
    if now is None or now.membership != "join":
        return False
    state = access.current(tx, rooms.get(tx, [room])[room], [CREATE, POWER_LEVELS])
    return may_send(requester.user_id, CANONICAL_ALIAS[0], state, is_state=True)


def _parse(text: str) -> _Point:
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise InvalidParam("since: not a token of this server")
    return _Point(Place(int(match[2]), RoomNid(int(match[3]))), match[1] == "n")
