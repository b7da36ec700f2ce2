"""The room directory. Client-server API, "Published room directory"."""

from typing import Literal

import msgspec

from oriz_matrix.protocol.identifiers import RoomId, ServerName, parse_server_name
from oriz_matrix.protocol.room_summaries import RoomList
from oriz_matrix.services.rooms.directory import ListRequest, RoomsBody
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call, UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth

LISTED = "/directory/list/room/{room_id}"


class RoomsQuery(msgspec.Struct):
    """The query of GET /publicRooms."""

    limit: int | None = None
    since: str | None = None
    server: str | None = None


class ServerQuery(msgspec.Struct):
    """Whose list is wanted; of POST /publicRooms."""

    server: str | None = None


class Visibility(msgspec.Struct):
    """Whether a room is listed."""

    visibility: Literal["public", "private"] = "public"


@endpoint.get("/publicRooms", versions=CLIENT_R0_V3, auth=Auth.NONE)
async def get_public_rooms(call: Call, query: RoomsQuery) -> RoomList:
    """GET /publicRooms."""
    return await call.services.directory.page(ListRequest(query.limit, query.since), _server(query.server))


@endpoint.post("/publicRooms", versions=CLIENT_R0_V3, auth=Auth.USER)
async def query_public_rooms(call: UserCall, body: RoomsBody, query: ServerQuery) -> RoomList:
    """POST /publicRooms."""
    return await call.services.directory.page(body.request, _server(query.server))


@endpoint.get(LISTED, versions=CLIENT_R0_V3, auth=Auth.NONE)
async def get_visibility(call: Call, room_id: RoomId) -> Visibility:
    """GET /directory/list/room/{roomId}."""
    return Visibility("public" if await call.services.directory.is_published(room_id) else "private")


@endpoint.put(LISTED, versions=CLIENT_R0_V3, auth=Auth.USER)
async def put_visibility(call: UserCall, room_id: RoomId, body: Visibility) -> dict[str, str]:
    """PUT /directory/list/room/{roomId}."""
    await call.services.directory.publish(call.requester, room_id, published=body.visibility == "public")
    return {}


def _server(name: str | None) -> ServerName | None:
    return None if name is None else parse_server_name(name, "server")
