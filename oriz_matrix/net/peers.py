"""Requests to other servers by their names: allowed by the operator, found by discovery, tried at each place."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from oriz_matrix.base.config.federation import Federation as Settings
from oriz_matrix.net.client import Client, Incoming, Outgoing, Purpose
from oriz_matrix.net.discovery import Discovery
from oriz_matrix.net.errors import BadAnswer, Denied, NotConnected, Refused, Unreachable
from oriz_matrix.protocol.acl import ServerAcl
from oriz_matrix.protocol.canonical import decode_strict
from oriz_matrix.protocol.errors import MatrixError
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_discovery import Target

LARGEST_ANSWER = 20 * 1024 * 1024
LARGEST_ERROR = 65536


class PeerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a server. uri: path and query, encoded. seconds: where it is not the configured time. limit: the
    largest answer, in bytes."""

    method: str
    uri: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    seconds: float | None = None
    limit: int = LARGEST_ANSWER


class Peers:
    """All other servers."""

    def __init__(self, client: Client, discovery: Discovery, settings: Settings) -> None:
        self._client = client
        self._discovery = discovery
        self._settings = settings
        self._lists = ServerAcl({"allow": list(settings.allowed_servers), "deny": list(settings.denied_servers)})

    def allows(self, server: ServerName) -> bool:
        """Whether the operator lets this server talk with that one."""
        return self._lists.allows(server)

    async def ask(self, server: ServerName, request: PeerRequest) -> dict[str, Any]:
        """The JSON object that the server answers with. Raises RemoteFailed."""
        async with self.open(server, request) as incoming:
            return _object(await incoming.read(request.limit))

    @asynccontextmanager
    async def open(self, server: ServerName, request: PeerRequest) -> AsyncIterator[Incoming]:
        """A good answer whose body is still to be read. Raises RemoteFailed, Refused for an error of the server."""
        incoming = await self._send(server, request)
        try:
            await _require_good(incoming)
            yield incoming
        finally:
            incoming.close()

    async def _send(self, server: ServerName, request: PeerRequest) -> Incoming:
        """Tries the places of the server until there is a connection."""
        if not self.allows(server):
            raise Denied(f"the configuration forbids to talk with {server}")
        failure = NotConnected(f"{server} has no place")
        for target in (await self._discovery.resolve(server)).targets:
            try:
                return await self.send_to(target, request)
            except NotConnected as error:
                failure = error
        self._discovery.forget(server)
        raise failure

    async def send_to(self, target: Target, request: PeerRequest) -> Incoming:
        """The answer of one place, which must be closed. Raises as `Client.send` does."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        return await self._client.send(
            Outgoing(
                purpose=Purpose.FEDERATION,
                method=request.method,
                url=f"https://{host}:{target.port}{request.uri}",
                tls_name=target.tls_name,
                seconds=request.seconds or self._settings.request_seconds,
                headers={**request.headers, "Host": target.http_host},
                body=request.body,
            )
        )


def uri(base: str, *segments: str, query: Iterable[tuple[str, str]] = ()) -> str:
    """A path, further segments that may hold anything, and a query: encoded once, so it is signed as it is sent."""
    path = "/".join([base, *(quote(segment, safe="") for segment in segments)])
    pairs = urlencode(list(query), quote_via=quote)
    return f"{path}?{pairs}" if pairs else path


async def _require_good(incoming: Incoming) -> None:
    if 200 <= incoming.status < 300:
        return
    if incoming.status < 400:
        raise BadAnswer(f"the server answered {incoming.status}, which leads elsewhere")
    try:
        content = _object(await incoming.read(LARGEST_ERROR))
    except (BadAnswer, Unreachable):
        content = {}
    raise Refused(incoming.status, content)


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = decode_strict(body)
    except MatrixError as error:
        raise BadAnswer(f"the answer cannot be read: {error.message}") from None
    if isinstance(content, list) and len(content) == 2 and content[0] == 200:
        content = content[1]  # the first version of the handshakes answers so
    if not isinstance(content, dict):
        raise BadAnswer("the answer is no JSON object")
    return content
