"""Whose an access token is. Client-server API, "Current account information"."""

import msgspec

from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class WhoamiResponse(msgspec.Struct, omit_defaults=True):
    """The answer of GET /account/whoami."""

    user_id: UserId
    device_id: DeviceId | None = None
    is_guest: bool = False


@endpoint.get("/account/whoami", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL, guests=True)
async def whoami(call: UserCall) -> WhoamiResponse:
    """GET /account/whoami."""
    requester = call.requester
    return WhoamiResponse(requester.user_id, requester.device_id, requester.is_guest)
