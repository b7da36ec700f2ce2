"""What this server can do beyond its claimed versions. Client-server API, "Capabilities negotiation"."""

from typing import Any

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


@endpoint.get("/capabilities", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL)
async def capabilities(call: UserCall) -> dict[str, Any]:
    """GET /capabilities."""
    return {"capabilities": call.services.capabilities.all()}
