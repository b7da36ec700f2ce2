"""Account data, of the account and of its rooms. Client-server API, "Client Config"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject


@endpoint.get("/user/{user_id}/account_data/{kind}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def get_account_data(call: UserCall, user_id: UserId, kind: str) -> msgspec.Raw:
    """GET /user/{userId}/account_data/{type}."""
    return await call.services.account_data.get(call.requester, user_id, None, kind)


@endpoint.put("/user/{user_id}/account_data/{kind}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def put_account_data(call: UserCall, user_id: UserId, kind: str, body: JsonObject) -> dict[str, str]:
    """PUT /user/{userId}/account_data/{type}."""
    await call.services.account_data.put(call.requester, user_id, None, kind, body)
    return {}


@endpoint.get("/user/{user_id}/rooms/{room_id}/account_data/{kind}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def get_room_account_data(call: UserCall, user_id: UserId, room_id: RoomId, kind: str) -> msgspec.Raw:
    """GET /user/{userId}/rooms/{roomId}/account_data/{type}."""
    return await call.services.account_data.get(call.requester, user_id, room_id, kind)


@endpoint.put("/user/{user_id}/rooms/{room_id}/account_data/{kind}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def put_room_account_data(
    call: UserCall, user_id: UserId, room_id: RoomId, kind: str, body: JsonObject
) -> dict[str, str]:
    """PUT /user/{userId}/rooms/{roomId}/account_data/{type}."""
    await call.services.account_data.put(call.requester, user_id, room_id, kind, body)
    return {}
