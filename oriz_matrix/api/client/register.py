"""Registering. Client-server API, "Account registration", "Guest access"."""

from typing import Any, Literal

import msgspec

from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.register import Secrets, Wish
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class RegisterQuery(msgspec.Struct):
    """The query of POST /register."""

    kind: Literal["user", "guest"] = "user"


class RegisterBody(Wish, frozen=True, kw_only=True):
    """The body of POST /register."""

    password: str | None = None
    guest_access_token: str | None = None
    auth: dict[str, Any] | None = None

    def wish(self) -> Wish:
        """What of it is no secret."""
        return Wish(**{name: getattr(self, name) for name in Wish.__struct_fields__})


@endpoint.post("/register", versions=CLIENT_R0_V3, auth=Auth.NONE, limit=Limit.REGISTRATION)
async def register(call: Call, query: RegisterQuery, body: RegisterBody) -> Credentials:
    """POST /register."""
    if query.kind == "guest":
        return await call.services.register.guest(body.initial_device_display_name, call.ip)
    secrets = Secrets(body.password, body.guest_access_token)
    return await call.services.register.user(body.wish(), secrets, body.auth, call.ip)
