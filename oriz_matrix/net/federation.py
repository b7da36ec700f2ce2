"""Requests to other servers that this server signs: the way to every operation of the server-server API.

Source: server-server API, "Request Authentication".
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec.structs import replace

from oriz_matrix.net.client import Incoming
from oriz_matrix.net.peers import PeerRequest, Peers
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, authorization
from oriz_matrix.protocol.signing import SigningKey

JSON = "application/json"


class Federation:
    """Speaks to other servers in the name of this one."""

    def __init__(self, peers: Peers, server_name: ServerName, key: SigningKey) -> None:
        self._peers = peers
        self._server_name = server_name
        self._key = key

    async def get(self, server: ServerName, uri: str) -> dict[str, Any]:
        """The answer to a GET. Raises RemoteFailed."""
        return await self.ask(server, PeerRequest(method="GET", uri=uri))

    async def put(self, server: ServerName, uri: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a PUT. Raises RemoteFailed."""
        return await self.ask(server, PeerRequest(method="PUT", uri=uri, body=encode(content)))

    async def post(self, server: ServerName, uri: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a POST. Raises RemoteFailed."""
        return await self.ask(server, PeerRequest(method="POST", uri=uri, body=encode(content)))

    async def ask(self, server: ServerName, request: PeerRequest) -> dict[str, Any]:
        """The answer to a request with its own limits, whose body is canonical JSON. Raises RemoteFailed."""
        return await self._peers.ask(server, self._signed(server, request))

    def open(self, server: ServerName, request: PeerRequest) -> AbstractAsyncContextManager[Incoming]:
        """A good answer whose body is read piece by piece (`Incoming.chunks`). Raises RemoteFailed."""
        return self._peers.open(server, self._signed(server, request))

    def _signed(self, server: ServerName, request: PeerRequest) -> PeerRequest:
        said = SignedRequest(
            method=request.method, uri=request.uri, origin=self._server_name, destination=server, content=request.body
        )
        headers = {**request.headers, "Authorization": authorization(said, self._key)}
        if request.body is not None:
            headers["Content-Type"] = JSON
        return replace(request, headers=headers)
