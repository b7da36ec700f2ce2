"""Tokens by which a user proves who they are. Client-server API, "OpenID"."""

import msgspec

from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of
from oriz_matrix.services.accounts.openid import LIFETIME_SECONDS
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class TokenResponse(msgspec.Struct):
    """A token, for how many seconds it is good, and which server knows whose it is."""

    access_token: str
    matrix_server_name: ServerName
    expires_in: int = LIFETIME_SECONDS
    token_type: str = "Bearer"  # noqa: S105


@endpoint.post("/user/{user_id}/openid/request_token", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL)
async def request_token(call: UserCall, user_id: UserId) -> TokenResponse:
    """POST /user/{userId}/openid/request_token."""
    return TokenResponse(await call.services.openid.token(call.requester, user_id), domain_of(user_id))
