"""Tags of rooms. Client-server API, "Room Tagging"."""

from typing import Any

from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject


@endpoint.get("/user/{user_id}/rooms/{room_id}/tags", versions=CLIENT_R0_V3, auth=Auth.USER)
async def tags(call: UserCall, user_id: UserId, room_id: RoomId) -> dict[str, dict[str, Any]]:
    """GET /user/{userId}/rooms/{roomId}/tags."""
    return {"tags": await call.services.account_data.tags(call.requester, user_id, room_id)}


@endpoint.put("/user/{user_id}/rooms/{room_id}/tags/{tag}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def put_tag(call: UserCall, user_id: UserId, room_id: RoomId, tag: str, body: JsonObject) -> dict[str, str]:
    """PUT /user/{userId}/rooms/{roomId}/tags/{tag}."""
    await call.services.account_data.put_tag(call.requester, user_id, room_id, tag, body)
    return {}


@endpoint.delete("/user/{user_id}/rooms/{room_id}/tags/{tag}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def remove_tag(call: UserCall, user_id: UserId, room_id: RoomId, tag: str) -> dict[str, str]:
    """DELETE /user/{userId}/rooms/{roomId}/tags/{tag}."""
    await call.services.account_data.remove_tag(call.requester, user_id, room_id, tag)
    return {}
