"""Storing filters. Client-server API, "Filtering"."""

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject
from oriz_matrix.web.responses import Answer

LARGEST_FILTER = 65_536
"""Bytes; some clients list all their rooms."""


@endpoint.post("/user/{user_id}/filter", versions=CLIENT_R0_V3, auth=Auth.USER, body_limit=LARGEST_FILTER)
async def define_filter(call: UserCall, user_id: UserId, body: JsonObject) -> dict[str, str]:
    """POST /user/{userId}/filter."""
    _require_own(call, user_id)
    return {"filter_id": await call.services.filters.add(call.requester, body)}


@endpoint.get("/user/{user_id}/filter/{filter_id}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def get_filter(call: UserCall, user_id: UserId, filter_id: str) -> Answer:
    """GET /user/{userId}/filter/{filterId}."""
    _require_own(call, user_id)
    return Answer(body=await call.services.filters.get(call.requester, filter_id))


def _require_own(call: UserCall, user_id: UserId) -> None:
    if user_id != call.requester.user_id:
        raise Forbidden("user_id: filters can only be stored and read for oneself")
