"""Reading push rules. Client-server API, "Push rules"."""

from typing import Any

from oriz_matrix.protocol.push.rules import to_json
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth


@endpoint.get("/pushrules/", versions=CLIENT_R0_V3, auth=Auth.USER)
async def push_rules(call: UserCall) -> dict[str, Any]:
    """GET /pushrules/."""
    return to_json(await call.services.push_rules.get(call.requester))


@endpoint.get("/pushrules/global/", versions=CLIENT_R0_V3, auth=Auth.USER)
async def global_push_rules(call: UserCall) -> dict[str, Any]:
    """GET /pushrules/global/."""
    rules: dict[str, Any] = to_json(await call.services.push_rules.get(call.requester))["global"]
    return rules
