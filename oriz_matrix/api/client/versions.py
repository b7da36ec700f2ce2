"""Which versions of the specification this server keeps to. Client-server API, "API Versions"."""

from typing import Any

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import OptionalUserCall
from oriz_matrix.web.endpoint import Auth

VERSIONS = ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 11))]
"""Up to v1.10: v1.11 promises authenticated media."""

UNSTABLE_FEATURES = dict.fromkeys(
    (
        "com.beeper.msc4169",  # redactions through PUT /send
        "org.matrix.msc2285.stable",  # private read receipts
        "org.matrix.msc2432",  # aliases of a room
        "org.matrix.msc3771",  # receipts for threads
        "org.matrix.msc3952_intentional_mentions",
        "uk.tcpip.msc4133.stable",  # profile fields at their stable paths
    ),
    True,
)
"""Proposals that work here, by the flags that clients look for: of later versions, or asked for one by one."""


@endpoint.get("/versions", auth=Auth.OPTIONAL_USER, guests=True)
async def versions(_call: OptionalUserCall) -> dict[str, Any]:
    """GET /versions."""
    return {"versions": VERSIONS, "unstable_features": UNSTABLE_FEATURES}
