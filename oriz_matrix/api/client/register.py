"""Registering. Client-server API, "Account registration", "Guest access"."""

from typing import Any, Literal

import msgspec

from oriz_matrix.api.client.credentials import SessionResponse
from oriz_matrix.services.accounts.register import Wish
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
    auth: dict[str, Any] | None = None

    def wish(self) -> Wish:
        """What of it is no secret."""
        return Wish(**{name: getattr(self, name) for name in Wish.__struct_fields__})


@endpoint.post("/register", versions=CLIENT_R0_V3, auth=Auth.NONE, limit=Limit.REGISTRATION)
async def register(call: Call, query: RegisterQuery, body: RegisterBody) -> SessionResponse:
    """POST /register."""
    if query.kind == "guest":
        made = await call.services.register.guest(body.initial_device_display_name, call.ip)
    else:
        made = await call.services.register.user(body.wish(), body.password, body.auth, call.ip)
    return SessionResponse.of(made.user_id, made.opened)
