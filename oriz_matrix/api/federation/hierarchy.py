"""Spaces, a level at a time. Server-server API, "Spaces"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.room_summaries import Hierarchy
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth


class HierarchyQuery(msgspec.Struct):
    """The query of GET /hierarchy."""

    suggested_only: bool = False


@endpoint.get("/hierarchy/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_hierarchy(call: ServerCall, room_id: RoomId, query: HierarchyQuery) -> Hierarchy:
    """GET /hierarchy/{roomId}."""
    return await call.services.space_walks.level(call.origin, room_id, suggested_only=query.suggested_only)
