"""The peer itself: its name, key and certificate, what it is asked, and the requests that it signs.

`answers.OPERATIONS` has what a good server answers. A test that wants another answer puts it into `instead`: JSON, an
`Answer` with a status, or a coroutine function like those. Every request that comes in must be validly signed by who
sends it.
"""

import asyncio
import hashlib
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import MatrixError
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, authorization, parse_authorization, verify
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.protocol.server_keys import parse_published
from oriz_matrix.protocol.signing import SigningKey, VerifyKey
from tests.support.in_process import Answer
from tests.support.nodes.authority import Authority
from tests.support.peer.room import Json, PeerRoom

V1 = "/_matrix/federation/v1"
V2 = "/_matrix/federation/v2"
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Asked:
    """A request that came in: the operation, who signed it, the parameters of its path and its query, and its JSON."""

    operation: str
    origin: str
    at: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    request: web.Request

    def hang_up(self) -> None:
        """Ends the connection without an answer."""
        if self.request.transport is not None:
            self.request.transport.abort()


Respond = Callable[["Peer", Asked], Awaitable[Any]]
"""What answers: with JSON, an `Answer`, or a `web.Response` for what is neither."""


class Operation(NamedTuple):
    """One thing that a peer can be asked; `path` has its parameters in braces."""

    name: str
    method: str
    path: str
    respond: Respond
    signed: bool = True


class Peer:
    """One peer. asked: what came in, in order; instead: other answers than the good ones, by operation.

    pdus, edus: what transactions brought, events of known rooms by their ids. invites: what its people were invited by,
    by room. complaints: requests that nobody has validly signed.
    """

    def __init__(self, http: ClientSession) -> None:
        self.http = http
        self.name = ServerName("")
        self.key = key_of("")
        self.rooms: dict[str, PeerRoom] = {}
        self.aliases: dict[str, str] = {}
        self.profiles: dict[str, Json] = {}
        self.instead: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.pdus: dict[str, Json] = {}
        self.edus: list[Json] = []
        self.invites: dict[str, Event] = {}
        self.complaints: list[str] = []
        self._keys: dict[str, dict[str, VerifyKey]] = {}

    def called(self, name: str) -> None:
        """Takes its name, and the key that goes with it."""
        self.name = ServerName(name)
        self.key = key_of(name)

    def user(self, name: str) -> str:
        """The id of somebody here."""
        return f"@{name}:{self.name}"

    def room(self, version: RoomVersion | str) -> PeerRoom:
        """A room that is still to be founded; `host` makes it known to others."""
        return PeerRoom(version, self.name, self.key)

    def host(self, version: RoomVersion | str, creator: str, **founding: Any) -> PeerRoom:
        """A new room that others can join here."""
        room = self.room(version)
        room.found(self.user(creator), **founding)
        self.rooms[room.room_id] = room
        return room

    def times(self, operation: str) -> int:
        """How often something was asked for."""
        return sum(1 for each in self.asked if each.operation == operation)

    async def ask(
        self, server: str, method: str, path: str, body: Any = None, query: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """One signed request to a server; `path` is encoded already, and complete."""
        uri = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        content = None if body is None else encode(body)
        said = SignedRequest(method=method, uri=uri, origin=self.name, destination=ServerName(server), content=content)
        headers = {"Authorization": authorization(said, self.key), "Content-Type": "application/json"}
        async with self.http.request(method, _url(server, uri), data=content, headers=headers) as response:
            return Answer(response.status, await response.json(content_type=None))

    async def good(
        self, server: str, method: str, path: str, body: Any = None, query: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """The same, which must succeed; the JSON of the answer."""
        answer = await self.ask(server, method, path, body, query)
        assert answer.status == 200, answer
        return answer.body

    async def send(
        self, server: str, *pdus: Event | Json, edus: Sequence[Json] = (), txn_id: str | None = None
    ) -> dict[str, Json]:
        """A transaction; what the server says of each event."""
        raw = [dict(each.pdu) if isinstance(each, Event) else each for each in pdus]
        body = {"origin": self.name, "origin_server_ts": 1, "pdus": raw, "edus": list(edus)}
        answer = await self.good(server, "PUT", f"{V1}/send/{txn_id or secrets.token_hex(8)}", body)
        said: dict[str, Json] = answer.get("pdus", {})
        return said

    async def receives(self, event_id: str) -> Json:
        """Waits until an event has come in by a transaction; its PDU."""
        async with asyncio.timeout(PATIENCE_S):
            while event_id not in self.pdus:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return self.pdus[event_id]

    async def receives_type(self, kind: str) -> Json:
        """Waits until an event of this type has come in by a transaction; the PDU of the first."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [pdu for pdu in self.pdus.values() if pdu["type"] == kind]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found[0]

    async def receives_edu(self, kind: str) -> Json:
        """Waits until an EDU of this type has come in; the content of the newest."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [each["content"] for each in self.edus if each["edu_type"] == kind]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        content: Json = found[-1]
        return content

    async def origin(self, request: web.Request, body: bytes) -> str:
        """Who signed a request; raises AssertionError where nobody has."""
        credentials = parse_authorization(request.headers.getall("Authorization", []))
        origin = credentials[0].origin
        if origin not in self._keys:
            await self._fetch_keys(origin)
        said = SignedRequest(
            method=request.method,
            uri=request.raw_path,
            origin=origin,
            destination=self.name,
            content=encode(json.loads(body)) if body else None,
        )
        assert credentials[0].destination == self.name
        assert verify(said, credentials, lambda server, key_id: self._keys[server].get(key_id))
        return origin

    async def _fetch_keys(self, server: ServerName) -> None:
        async with self.http.get(_url(server, "/_matrix/key/v2/server")) as response:
            published = parse_published(await response.json(), server, 0)
        self._keys[server] = {key_id: each.key for key_id, each in published.keys.items()}


def key_of(name: str) -> SigningKey:
    """A key for a server name: always the same, since a port can come round again and others remember keys."""
    return SigningKey("peer", hashlib.sha256(name.encode()).digest())


@asynccontextmanager
async def peer(authority: Authority, operations: Sequence[Operation], host: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """A peer that listens, and answers these operations."""
    trust = ssl.create_default_context(cafile=authority.file)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.trustme.issue_cert(host).configure_cert(serving)
    async with AsyncExitStack() as stack:
        http = ClientSession(timeout=ClientTimeout(total=60), connector=TCPConnector(ssl=trust))
        await stack.enter_async_context(http)
        here = Peer(http)
        application = web.Application(client_max_size=50_000_000)
        for operation in operations:
            application.router.add_route(operation.method, operation.path, _handler(here, operation))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        assert runner.server is not None
        stack.push_async_callback(_hang_up, runner.server)
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, 0, ssl_context=serving).start()
        here.called(f"{host}:{runner.addresses[0][1]}")
        yield here
        assert here.complaints == []


async def _hang_up(server: web.Server) -> None:
    """Closes connections that were made while the listener closed; the server would never hear of them."""
    await asyncio.sleep(0.02)
    await server.shutdown(0)


def _handler(here: Peer, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            origin = await here.origin(request, body) if operation.signed else ""
        except (AssertionError, MatrixError) as error:
            here.complaints.append(f"{request.method} {request.raw_path}: {error!r}")
            return _response(Answer(401, {"errcode": "M_UNAUTHORIZED", "error": "Not signed"}))
        query = {name: request.query.getall(name) for name in request.query}
        content = json.loads(body) if body else None
        asked = Asked(operation.name, origin, dict(request.match_info), query, content, request)
        here.asked.append(asked)
        chosen = here.instead.get(operation.name, operation.respond)
        return _response(await chosen(here, asked) if callable(chosen) else chosen)

    return handle


def _response(said: Any) -> web.StreamResponse:
    if isinstance(said, web.StreamResponse):
        return said
    answer = said if isinstance(said, Answer) else Answer(200, said)
    return web.Response(status=answer.status, body=json.dumps(answer.body).encode(), content_type="application/json")


def _url(server: str, uri: str) -> URL:
    return URL(f"https://{server}{uri}", encoded=True)
