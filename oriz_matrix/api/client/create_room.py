"""Making rooms. Client-server API, "Creation"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.creation.create import CreateRoom
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class RoomIdResponse(msgspec.Struct):
    """The room that was made, or joined."""

    room_id: RoomId


@endpoint.post("/createRoom", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.ROOM_CREATION)
async def create_room(call: UserCall, body: CreateRoom) -> RoomIdResponse:
    """POST /createRoom."""
    return RoomIdResponse(await call.services.create.room(call.requester, body))
