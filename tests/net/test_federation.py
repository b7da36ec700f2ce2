"""Signed requests over real connections, and what happens when the other server does not behave."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trustme
from aiohttp import web

from oriz_matrix.app.reach import Reach
from oriz_matrix.base.config.types import Secret
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.net.errors import BadAnswer, Denied, NotConnected, Refused, RemoteFailed, Unreachable
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest, uri
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, parse_authorization, verify
from oriz_matrix.protocol.signing import SigningKey
from tests.support.outside import Outside, Stranger

US = ServerName("us.test")
KEY = SigningKey("a_1", b"k" * 32)
SEND = "/_matrix/federation/v1/send"


async def speaking(world: Outside, reached: Reach | None = None) -> Federation:
    """This server's voice."""
    return Federation((reached or await world.reach()).peers, US, KEY)


async def serving(world: Outside) -> tuple[Stranger, ServerName]:
    """A server at a.test, and its name."""
    world.host("a.test")
    server = await world.server("a.test")
    return server, ServerName(f"a.test:{server.port}")


async def test_a_request_is_signed_over_what_is_sent(world: Outside) -> None:
    server, name = await serving(world)
    federation = await speaking(world)
    path = uri(SEND, "a/b ü%", query=[("v", "1 &"), ("v", "ö")])
    server.answers[SEND + "/a/b ü%"] = {"pdus": {}}
    assert await federation.put(name, path, {"b": [1], "a": "é"}) == {"pdus": {}}
    (method, target, _, _), body, headers = server.seen[0], server.bodies[0], server.headers[0]
    assert (target, body) == (path, '{"a":"é","b":[1]}'.encode())
    assert headers["Content-Type"] == "application/json"
    said = SignedRequest(method=method, uri=target, origin=US, destination=name, content=body)
    assert verify(said, parse_authorization([headers["Authorization"]]), lambda *_: KEY.verify_key)


async def test_connections_are_used_again(world: Outside) -> None:
    server, name = await serving(world)
    server.answers["/x"] = {}
    federation = await speaking(world)
    for _ in range(5):
        await federation.get(name, "/x")
    assert len(server.connections) == 1


async def test_a_body_is_read_piece_by_piece(world: Outside) -> None:
    server, name = await serving(world)
    size = 5_000_000

    async def much(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * size)

    server.answers["/x"] = much
    federation = await speaking(world)
    async with federation.open(name, PeerRequest(method="GET", uri="/x")) as incoming:
        pieces = [len(piece) async for piece in incoming.chunks(size)]
    assert (sum(pieces), max(pieces) <= 65536) == (size, True)
    async with federation.open(name, PeerRequest(method="GET", uri="/x")) as incoming:
        with pytest.raises(BadAnswer, match="larger than 100000"):
            await incoming.read(100_000)
    server.answers["/y"] = {}
    assert await federation.get(name, "/y") == {}


@pytest.mark.parametrize(
    ("status", "temporary"),
    [(400, False), (403, False), (404, False), (408, True), (429, True), (500, True), (502, True)],
)
async def test_an_error_is_told_with_what_it_says(world: Outside, status: int, temporary: bool) -> None:
    server, name = await serving(world)

    async def refuse(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"errcode": "M_X", "error": "no", "room_version": "9"}, status=status)

    server.answers["/x"] = refuse
    with pytest.raises(Refused) as caught:
        await (await speaking(world)).get(name, "/x")
    failure = caught.value
    assert (failure.status, failure.errcode, failure.error, failure.temporary) == (status, "M_X", "no", temporary)
    assert failure.content["room_version"] == "9"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errcode": 5}', b"x" * 100_000])
async def test_an_error_that_says_nonsense_is_one_all_the_same(world: Outside, body: bytes) -> None:
    server, name = await serving(world)

    async def refuse(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=body, status=404)

    server.answers["/x"] = refuse
    with pytest.raises(Refused) as caught:
        await (await speaking(world)).get(name, "/x")
    assert caught.value.status == 404


def saying(body: bytes, status: int = 200, **headers: Any) -> Any:
    async def answer(_request: web.BaseRequest) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=named)

    return answer


async def break_off(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.abort()
    return response


async def hang(_request: web.BaseRequest) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def drip(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (saying(b""), BadAnswer),
        (saying(b"<html>"), BadAnswer),
        (saying(b"[1]"), BadAnswer),
        (saying(b'{"a": 1e999}'), BadAnswer),
        (saying(b"[" * 100_000), BadAnswer),
        (saying(b"", 302, Location="https://127.0.0.1:1/"), BadAnswer),
        (saying(b"no gzip", content_encoding="gzip"), BadAnswer),
        (saying(gzip.compress(b" " * 10_000_000), content_encoding="gzip"), BadAnswer),
        (break_off, RemoteFailed),
        (hang, Unreachable),
        (drip, Unreachable),
    ],
)
async def test_a_hostile_answer_is_a_failure_that_may_pass(
    world: Outside, answer: Any, failure: type[RemoteFailed]
) -> None:
    server, name = await serving(world)
    server.answers["/x"] = answer
    federation = await speaking(world)
    seconds = 0.3 if failure is Unreachable else None
    with pytest.raises(failure) as caught:
        await federation.ask(name, PeerRequest(method="GET", uri="/x", limit=1_000_000, seconds=seconds))
    assert caught.value.temporary
    server.answers["/y"] = {}
    assert await federation.get(name, "/y") == {}


async def test_nobody_is_waited_for_longer_than_the_operator_says(world: Outside) -> None:
    server, name = await serving(world)
    server.answers["/x"] = hang
    federation = await speaking(world, await world.reach(world.settings(request_seconds=0.3)))
    with pytest.raises(Unreachable, match="in time"):
        await federation.get(name, "/x")


async def test_without_the_right_certificate_nothing_is_sent(world: Outside) -> None:
    world.host("a.test")
    for server in (await world.server("b.test"), await world.server("a.test", authority=trustme.CA())):
        with pytest.raises(NotConnected, match="certificate"):
            await (await speaking(world)).get(ServerName(f"a.test:{server.port}"), "/x")
        assert server.seen == []


async def test_certificates_are_unchecked_only_where_the_operator_says_so(world: Outside) -> None:
    world.host("a.test")
    server = await world.server("b.test", authority=trustme.CA())
    server.answers["/x"] = {}
    reached = await world.reach(world.settings(verify_certificates=False))
    assert await (await speaking(world, reached)).get(ServerName(f"a.test:{server.port}"), "/x") == {}


@pytest.mark.parametrize("name", ["nobody.test", "a.test:1", "a.test:70000", "a..test:5", "x" * 64 + ".test:5", "-:1"])
async def test_who_is_not_there_cannot_be_reached(world: Outside, name: str) -> None:
    world.host("a.test")
    with pytest.raises(NotConnected):
        await (await speaking(world)).get(ServerName(name), "/x")


async def test_the_operators_lists_are_kept(world: Outside) -> None:
    server, name = await serving(world)
    server.answers["/x"] = {}
    for lists in ({"allowed_servers": ("*.org",)}, {"denied_servers": ("A.t?st",)}):
        federation = await speaking(world, await world.reach(world.settings(**lists)))
        with pytest.raises(Denied) as caught:
            await federation.get(name, "/x")
        assert not caught.value.temporary
    assert server.seen == []


Listen = Callable[[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]], Awaitable[int]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Plain TCP servers; gives their ports."""
    servers: list[asyncio.Server] = []

    async def begin(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> int:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield begin
    for server in servers:
        server.close()


async def test_who_speaks_no_tls_or_never_speaks_is_left(world: Outside, listen: Listen) -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    federation = await speaking(world, await world.reach(world.settings(connect_seconds=0.3)))
    for serve in (plain, silent):
        with pytest.raises(NotConnected):
            await federation.get(ServerName(f"127.0.0.1:{await listen(serve)}"), "/x")


async def test_the_way_may_lead_through_a_proxy(world: Outside, listen: Listen) -> None:
    server, name = await serving(world)
    server.answers["/x"] = {}
    wanted: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted.append(await reader.readuntil(b"\r\n\r\n"))
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(pour(reader, inner_writer), pour(inner_reader, writer))

    url = f"http://user:word@127.0.0.1:{await listen(proxy)}"
    settings = world.settings(proxy=Secret(url), forbidden_addresses=world.settings().allowed_addresses)
    federation = await speaking(world, await world.reach(settings))
    assert await federation.get(name, "/x") == {}
    assert wanted[0].startswith(f"CONNECT {name} ".encode())
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in wanted[0]
    assert server.seen[0][2:] == (name, "a.test")


async def test_a_proxy_is_not_asked_for_a_forbidden_address(world: Outside) -> None:
    settings = world.settings(proxy=Secret("http://127.0.0.1:1"))
    federation = await speaking(world, await world.reach(settings))
    for name in ("10.0.0.1", "[fd00::1]:5"):
        with pytest.raises(NotConnected, match="forbidden"):
            await federation.get(ServerName(name), "/x")


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything that comes in goes out."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_every_request_is_counted(world: Outside) -> None:
    server, name = await serving(world)
    server.answers["/x"] = {}
    metrics = Metrics()
    federation = await speaking(world, await world.reach(metrics=metrics))
    await federation.get(name, "/x")
    with pytest.raises(Refused):
        await federation.get(name, "/none")
    with pytest.raises(NotConnected):
        await federation.get(ServerName("a.test:1"), "/x")
    counted = {
        outcome: metrics.registry.get_sample_value(
            "oriz_outgoing_requests_total", {"purpose": "federation", "outcome": outcome}
        )
        for outcome in ("2xx", "4xx", "NotConnected")
    }
    assert counted == {"2xx": 1, "4xx": 1, "NotConnected": 1}
