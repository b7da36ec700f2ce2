"""Logging in. Client-server API, "Login"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.errors import BadRequest, Forbidden, MissingParam
from oriz_matrix.protocol.identifiers import DeviceId
from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.login import FLOWS, PASSWORD
from oriz_matrix.services.accounts.sessions import DeviceRequest
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class Identifier(msgspec.Struct):
    """Who wants to log in ("Identifier types"); third-party identifiers are known to nobody here yet."""

    type: str
    user: str | None = None


class LoginBody(msgspec.Struct, kw_only=True):
    """The body of POST /login; `user` is the old form of `identifier`."""

    type: str
    identifier: Identifier | None = None
    user: str | None = None
    password: str | None = None
    device_id: DeviceId | None = None
    initial_device_display_name: str | None = None


@endpoint.get("/login", versions=CLIENT_R0_V3, auth=Auth.NONE, limit=Limit.GENERAL)
async def login_flows(_call: Call) -> dict[str, Any]:
    """GET /login."""
    return {"flows": FLOWS}


@endpoint.post("/login", versions=CLIENT_R0_V3, auth=Auth.NONE, limit=Limit.LOGIN)
async def login(call: Call, body: LoginBody) -> Credentials:
    """POST /login."""
    if body.type != PASSWORD:
        raise BadRequest("type: this server does not know this way to log in")
    user = _user(body)
    if body.password is None:
        raise MissingParam("password is missing")
    device = DeviceRequest(device_id=body.device_id, display_name=body.initial_device_display_name, ip=call.ip)
    return await call.services.login.by_password(user, body.password, device)


def _user(body: LoginBody) -> str:
    """The id or localpart of the user; raises Forbidden for third-party identifiers, as for unknown ones."""
    if body.identifier is None:
        if body.user is None:
            raise MissingParam("identifier is missing")
        return body.user
    if body.identifier.type in ("m.id.thirdparty", "m.id.phone"):
        raise Forbidden("The user name or the password is wrong")
    if body.identifier.type != "m.id.user":
        raise BadRequest("identifier.type: this server does not know this kind of identifier")
    if body.identifier.user is None:
        raise MissingParam("identifier.user is missing")
    return body.identifier.user
