"""Spaces and summaries of rooms. Client-server API, "Spaces", "Room Summaries"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomId, ServerName, parse_server_name
from oriz_matrix.services.rooms.hierarchy import Page, WalkRequest
from oriz_matrix.services.rooms.summaries import SummaryOfRoom
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import OptionalUserCall, UserCall
from oriz_matrix.web.endpoint import CLIENT_V1, Auth
from oriz_matrix.web.limits import Limit

NHEKO = "/im.nheko.summary"
"""MSC3266 before it was in the specification; the second of its paths is the older one."""


class HierarchyQuery(msgspec.Struct):
    """The query of GET /hierarchy; `via` is of MSC4235."""

    suggested_only: bool = False
    limit: int | None = None
    max_depth: int | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    via: list[str] = msgspec.field(name="org.matrix.msc4235.via", default_factory=list)


class SummaryQuery(msgspec.Struct):
    """The query of GET /room_summary: servers that know the room."""

    via: list[str] = []


@endpoint.get(
    "/rooms/{room_id}/hierarchy",
    versions=CLIENT_V1,
    unstable=("/org.matrix.msc2946/rooms/{room_id}/hierarchy",),
    auth=Auth.USER,
    limit=Limit.GENERAL,
)
async def get_hierarchy(call: UserCall, room_id: RoomId, query: HierarchyQuery) -> Page:
    """GET /rooms/{roomId}/hierarchy."""
    via = _servers(query.via, "org.matrix.msc4235.via")
    request = WalkRequest(query.limit, query.max_depth, query.suggested_only, query.from_, via)
    return await call.services.space_walks.page(call.requester, room_id, request)


@endpoint.get(
    "/room_summary/{room}",
    versions=CLIENT_V1,
    unstable=(f"{NHEKO}/summary/{{room}}", f"{NHEKO}/rooms/{{room}}/summary"),
    auth=Auth.OPTIONAL_USER,
    guests=True,
)
async def get_summary(call: OptionalUserCall, room: str, query: SummaryQuery) -> SummaryOfRoom:
    """GET /room_summary/{roomIdOrAlias}."""
    return await call.services.summaries.of_room(call.requester, room, _servers(query.via, "via"))


def _servers(names: list[str], field: str) -> list[ServerName]:
    return [parse_server_name(name, field) for name in names]
