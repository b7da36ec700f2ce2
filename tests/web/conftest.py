"""A listener on a real socket, with whatever endpoints a test declares."""

from collections.abc import AsyncIterator

import pytest

from oriz_matrix.web import endpoint
from oriz_matrix.web.endpoint import Handler
from tests.web.serving import Server, Setting, Start, run


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`await start(handler, ..., setting=...)` gives a `Server`; all are ended after the test."""
    servers: list[Server] = []

    async def begin(*handlers: Handler, setting: Setting | None = None) -> Server:
        server = await run([endpoint.of(handler) for handler in handlers], setting or Setting())
        servers.append(server)
        return server

    yield begin
    for server in servers:
        await server.close()
