"""Profiles. Client-server API, "Profiles"."""

from oriz_matrix.protocol.errors import MissingParam
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call, UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject
from oriz_matrix.web.limits import Limit

FIELD = "/profile/{user_id}/{field}"


@endpoint.get("/profile/{user_id}", versions=CLIENT_R0_V3, auth=Auth.NONE)
async def profile(call: Call, user_id: UserId) -> dict[str, object]:
    """GET /profile/{userId}."""
    return await call.services.profiles.get(user_id)


@endpoint.get(FIELD, versions=CLIENT_R0_V3, auth=Auth.NONE)
async def profile_field(call: Call, user_id: UserId, field: str) -> dict[str, object]:
    """GET /profile/{userId}/{keyName}."""
    return {field: await call.services.profiles.field(user_id, field)}


@endpoint.put(FIELD, versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL, guests=True)
async def put_profile_field(call: UserCall, user_id: UserId, field: str, body: JsonObject) -> dict[str, str]:
    """PUT /profile/{userId}/{keyName}."""
    if field not in body:
        raise MissingParam(f"{field} is missing")
    await call.services.profiles.put(call.requester, user_id, field, body[field])
    return {}


@endpoint.delete(FIELD, versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL, guests=True)
async def remove_profile_field(call: UserCall, user_id: UserId, field: str) -> dict[str, str]:
    """DELETE /profile/{userId}/{keyName}."""
    await call.services.profiles.remove(call.requester, user_id, field)
    return {}
