"""Who made an OpenID token. Server-server API, "OpenID"."""

import msgspec

from oriz_matrix.protocol.errors import MissingToken
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth


class UserInfoQuery(msgspec.Struct):
    """The token."""

    access_token: str | None = None


class UserInfo(msgspec.Struct):
    """The user."""

    sub: UserId


@endpoint.get("/openid/userinfo", versions=FEDERATION_V1, auth=Auth.NONE, surface=FEDERATION)
async def get_user_info(call: Call, query: UserInfoQuery) -> UserInfo:
    """GET /openid/userinfo."""
    if not query.access_token:
        raise MissingToken
    return UserInfo(await call.services.openid.user(query.access_token))
