"""Logging out. Client-server API, "Login"; open to locked accounts ("Account locking")."""

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth


@endpoint.post("/logout", versions=CLIENT_R0_V3, auth=Auth.USER, locked=True)
async def logout(call: UserCall) -> dict[str, str]:
    """POST /logout."""
    await call.services.sessions.end(call.requester)
    return {}


@endpoint.post("/logout/all", versions=CLIENT_R0_V3, auth=Auth.USER, locked=True)
async def logout_all(call: UserCall) -> dict[str, str]:
    """POST /logout/all."""
    await call.services.sessions.end_all(call.requester.user)
    return {}
