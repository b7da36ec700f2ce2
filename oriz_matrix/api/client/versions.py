"""Which versions of the specification this server keeps to. Client-server API, "API Versions"."""

from typing import Any

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import OptionalUserCall
from oriz_matrix.web.endpoint import Auth

VERSIONS = ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 11))]
"""Up to v1.10: v1.11 promises authenticated media."""

UNSTABLE_FEATURES: dict[str, bool] = {}


@endpoint.get("/versions", auth=Auth.OPTIONAL_USER, guests=True)
async def versions(_call: OptionalUserCall) -> dict[str, Any]:
    """GET /versions."""
    return {"versions": VERSIONS, "unstable_features": UNSTABLE_FEATURES}
