"""Room aliases. Client-server API, "Room aliases"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomAlias, RoomId, ServerName, parse_room_id
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call, UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class AliasBody(msgspec.Struct):
    """The room that an alias points to."""

    room_id: str


class AliasResponse(msgspec.Struct):
    """The room of an alias, and servers that are in it."""

    room_id: RoomId
    servers: list[ServerName]


class AliasesResponse(msgspec.Struct):
    """The aliases of a room."""

    aliases: list[RoomAlias]


@endpoint.get("/directory/room/{alias}", versions=CLIENT_R0_V3, auth=Auth.NONE)
async def find_alias(call: Call, alias: RoomAlias) -> AliasResponse:
    """GET /directory/room/{roomAlias}."""
    return AliasResponse(*await call.services.aliases.resolve(alias))


@endpoint.put("/directory/room/{alias}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def put_alias(call: UserCall, alias: RoomAlias, body: AliasBody) -> dict[str, str]:
    """PUT /directory/room/{roomAlias}."""
    await call.services.aliases.add(call.requester, alias, parse_room_id(body.room_id, "room_id"))
    return {}


@endpoint.delete("/directory/room/{alias}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def remove_alias(call: UserCall, alias: RoomAlias) -> dict[str, str]:
    """DELETE /directory/room/{roomAlias}."""
    await call.services.aliases.remove(call.requester, alias)
    return {}


@endpoint.get("/rooms/{room_id}/aliases", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL)
async def room_aliases(call: UserCall, room_id: RoomId) -> AliasesResponse:
    """GET /rooms/{roomId}/aliases."""
    return AliasesResponse(await call.services.aliases.of_room(call.requester, room_id))
