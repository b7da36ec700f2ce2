"""The room directory for other servers. Server-server API, "Published Room Directory"."""

import msgspec

from oriz_matrix.protocol.room_summaries import RoomList
from oriz_matrix.services.rooms.directory import ListRequest, RoomsBody
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth


class RoomsQuery(msgspec.Struct):
    """The query of GET /publicRooms."""

    limit: int | None = None
    since: str | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


@endpoint.get("/publicRooms", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_public_rooms(call: ServerCall, query: RoomsQuery) -> RoomList:
    """GET /publicRooms."""
    request = ListRequest(
        limit=query.limit,
        since=query.since,
        all_networks=query.include_all_networks,
        network=query.third_party_instance_id,
    )
    return await call.services.directory.page_for(call.origin, request)


@endpoint.post("/publicRooms", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def query_public_rooms(call: ServerCall, body: RoomsBody) -> RoomList:
    """POST /publicRooms."""
    return await call.services.directory.page_for(call.origin, body.request)
