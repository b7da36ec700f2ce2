"""Questions of other servers about names. Server-server API, "Querying for information"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.errors import Unrecognized
from oriz_matrix.protocol.identifiers import RoomId, ServerName, parse_room_alias, parse_user_id
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth


class DirectoryQuery(msgspec.Struct):
    """The alias that is to be resolved."""

    room_alias: str


class DirectoryResponse(msgspec.Struct):
    """The room of an alias, and servers that are in it."""

    room_id: RoomId
    servers: list[ServerName]


class ProfileQuery(msgspec.Struct):
    """Whose profile, or which field of it."""

    user_id: str
    field: str | None = None


@endpoint.get("/query/directory", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def query_directory(call: ServerCall, query: DirectoryQuery) -> DirectoryResponse:
    """GET /query/directory."""
    alias = parse_room_alias(query.room_alias, "room_alias")
    return DirectoryResponse(*await call.services.aliases.resolve_for_server(alias))


@endpoint.get("/query/profile", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def query_profile(call: ServerCall, query: ProfileQuery) -> dict[str, object]:
    """GET /query/profile."""
    return await call.services.profiles.for_server(parse_user_id(query.user_id, "user_id"), query.field)


@endpoint.get("/query/{query_type}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def query_anything(_call: ServerCall, query_type: str) -> dict[str, Any]:
    """GET /query/{queryType}: no other types are known."""
    raise Unrecognized(f"queryType: {query_type[:100]!r} is not known")
