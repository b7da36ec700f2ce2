"""Which software this is. Server-server API, "Server implementation"."""

from typing import Any

from oriz_matrix import __version__
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth

NAME = "Oriz"


@endpoint.get("/version", versions=FEDERATION_V1, auth=Auth.NONE, surface=FEDERATION)
async def get_version(_call: Call) -> dict[str, Any]:
    """GET /version."""
    return {"server": {"name": NAME, "version": __version__}}
