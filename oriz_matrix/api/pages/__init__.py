"""Pages that are no part of a Matrix API: health, metrics, and where clients and servers find this server.

They know only what they are made with, so that they answer also while the services do not.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from oriz_matrix.base.metrics import CONTENT_TYPE, Metrics
from oriz_matrix.protocol.errors import Unavailable
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import METRICS, PAGES, Auth, Endpoint
from oriz_matrix.web.responses import Answer


def operations(metrics: Metrics, is_healthy: Callable[[], Awaitable[bool]]) -> list[Endpoint]:
    """`/health`, for load balancers: 200, or 503 where `is_healthy` says no; `/metrics`, for Prometheus."""

    @endpoint.get("/health", auth=Auth.NONE, surface=PAGES)
    async def health(_call: Call) -> Answer:
        if not await is_healthy():
            raise Unavailable
        return Answer(body=b"OK", content_type="text/plain; charset=utf-8")

    @endpoint.get("/metrics", auth=Auth.NONE, surface=METRICS)
    async def exposition(_call: Call) -> Answer:
        return Answer(body=metrics.exposition(), content_type=CONTENT_TYPE)

    return [endpoint.of(health), endpoint.of(exposition)]


def well_known(public_base_url: str) -> list[Endpoint]:
    """`/.well-known/matrix/client` and `/server`, which say that the server is reached at this https URL.

    Client-server API, "Well-known URIs"; server-server API, "Server discovery" (a host always with its port, because
    without one the other server would look for 8448).
    """
    address = urlsplit(public_base_url)
    delegate = address.netloc if address.port else f"{address.netloc}:443"

    @endpoint.get("/.well-known/matrix/client", auth=Auth.NONE, surface=PAGES)
    async def client(_call: Call) -> dict[str, object]:
        return {"m.homeserver": {"base_url": public_base_url}}

    @endpoint.get("/.well-known/matrix/server", auth=Auth.NONE, surface=PAGES)
    async def server(_call: Call) -> dict[str, str]:
        return {"m.server": delegate}

    return [endpoint.of(client), endpoint.of(server)]
