"""Replacing a room by one of another version. Client-server API, "Room Upgrades"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.creation.upgrade import UpgradeRoom
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class UpgradeResponse(msgspec.Struct):
    """The new room."""

    replacement_room: RoomId


@endpoint.post("/rooms/{room_id}/upgrade", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.ROOM_CREATION)
async def upgrade(call: UserCall, room_id: RoomId, body: UpgradeRoom) -> UpgradeResponse:
    """POST /rooms/{roomId}/upgrade."""
    return UpgradeResponse(await call.services.upgrade.room(call.requester, room_id, body))
