"""Queries and bodies: what becomes an argument, and what is refused and how."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import StreamReader

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import CLIENT_V3, Auth, JsonObject
from tests.web.serving import Server, Start, raw_get, send_and_leave


class Search(msgspec.Struct):
    term: str
    limit: int = 10
    full: bool = False
    via: list[str] = []
    not_in: list[str] | None = msgspec.field(default=None, name="not_in.rooms")


class Login(msgspec.Struct):
    type: str
    count: int = 0
    extra: JsonObject = {}


class Leave(msgspec.Struct):
    reason: str | None = None


@endpoint.get("/search", versions=CLIENT_V3, auth=Auth.NONE)
async def search(_call: Call, query: Search) -> Search:
    return query


@endpoint.post("/login", versions=CLIENT_V3, auth=Auth.NONE)
async def login(_call: Call, body: Login) -> Login:
    return body


@endpoint.post("/leave", versions=CLIENT_V3, auth=Auth.NONE)
async def leave(_call: Call, body: Leave) -> Leave:
    return body


@endpoint.put("/content", versions=CLIENT_V3, auth=Auth.NONE, body_limit=100_000)
async def put_content(_call: Call, body: JsonObject) -> JsonObject:
    return body


@endpoint.post("/upload", versions=CLIENT_V3, auth=Auth.NONE)
async def upload(call: Call, body: StreamReader) -> dict[str, Any]:
    return {"bytes": len(await body.read()), "type": call.headers["Content-Type"]}


@endpoint.post("/short", versions=CLIENT_V3, auth=Auth.NONE)
async def short(_call: Call, body: bytes) -> dict[str, int]:
    return {"bytes": len(body)}


@pytest.fixture
async def server(start: Start) -> Server:
    return await start(search, login, leave, put_content, upload, short)


async def ask(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await server.client.request(method, f"/_matrix/client/v3{path}", data=body)
    return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("term=a%20b", {"term": "a b"}),
        ("term=&limit=5&full=true", {"term": "", "limit": 5, "full": True}),
        ("term=x&via=a&via=b&unknown=1", {"via": ["a", "b"]}),
        ("term=x&not_in.rooms=r&term=y", {"term": "x", "not_in.rooms": ["r"]}),
    ],
)
async def test_queries_are_read_by_type(server: Server, query: str, expected: dict[str, Any]) -> None:
    status, body = await ask(server, "GET", f"/search?{query}")
    assert status == 200
    assert {name: body[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("query", "errcode", "named"),
    [
        ("", "M_MISSING_PARAM", "term"),
        ("limit=5", "M_MISSING_PARAM", "term"),
        ("term=x&limit=many", "M_INVALID_PARAM", "limit"),
        ("term=x&limit=", "M_INVALID_PARAM", "limit"),
        ("term=x&limit=" + "9" * 5000, "M_INVALID_PARAM", "limit"),
        ("term=x&full=perhaps", "M_INVALID_PARAM", "full"),
        ("term=%FF", "M_INVALID_PARAM", "query"),
        ("term=%00", "M_INVALID_PARAM", "query"),
        ("term=x&" + "&".join("a=1" for _ in range(1001)), "M_INVALID_PARAM", "query"),
    ],
)
async def test_wrong_queries_are_refused(server: Server, query: str, errcode: str, named: str) -> None:
    status, body = await raw_get(server.base_url, f"/_matrix/client/v3/search?{query}")
    assert (status, body["errcode"]) == (400, errcode)
    assert named in body["error"]


async def test_a_body_becomes_its_struct_and_unknown_members_are_ignored(server: Server) -> None:
    sent = b'{"type":"m.login.password","extra":{"deep":[1,{"a":null}]},"org.example.more":1}'
    status, body = await ask(server, "POST", "/login", sent)
    assert (status, body) == (
        200,
        {"type": "m.login.password", "count": 0, "extra": {"deep": [1, {"a": None}]}},
    )


@pytest.mark.parametrize("sent", [b"", b"{}"])
async def test_an_absent_body_is_empty_where_nothing_is_required(server: Server, sent: bytes) -> None:
    assert await ask(server, "POST", "/leave", sent) == (200, {"reason": None})


HOSTILE = [
    (b"", "M_NOT_JSON"),
    (b"{", "M_NOT_JSON"),
    (b'{"type":NaN}', "M_NOT_JSON"),
    (b'{"type":"\\ud800"}', "M_NOT_JSON"),
    (b'{"type":"\xff"}', "M_NOT_JSON"),
    (b'{"more":"\xff","type":"x"}', "M_NOT_JSON"),
    (b'{"type":"x","extra":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "M_BAD_JSON"),
    (b'{"type":' + b"[" * 40_000, "M_BAD_JSON"),
    (b'{"type":"x","extra":{"n":' + b"9" * 5000 + b"}}", "M_BAD_JSON"),
    (b'{"type":"x","extra":{"n":1e400}}', "M_BAD_JSON"),
    (b"[]", "M_BAD_JSON"),
    (b'"text"', "M_BAD_JSON"),
    (b"null", "M_BAD_JSON"),
]


@pytest.mark.parametrize(("sent", "errcode"), HOSTILE)
@pytest.mark.parametrize(("method", "path"), [("POST", "/login"), ("PUT", "/content")])
async def test_hostile_bodies_are_the_callers_fault(
    server: Server, method: str, path: str, sent: bytes, errcode: str
) -> None:
    status, body = await ask(server, method, path, sent)
    assert (status, body["errcode"]) == (400, errcode)


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        (b'{"type":1}', "$.type"),
        (b'{"type":"x","count":"1"}', "$.count"),
        (b"{}", "type"),
        (b'{"type":"a\\u0000b"}', "NUL"),
    ],
)
async def test_a_wrong_member_is_named(server: Server, sent: bytes, named: str) -> None:
    status, body = await ask(server, "POST", "/login", sent)
    assert (status, body["errcode"]) == (400, "M_BAD_JSON")
    assert named in body["error"]


async def test_an_escaped_backslash_is_no_nul(server: Server) -> None:
    status, body = await ask(server, "POST", "/login", b'{"type":"a\\\\u0000b"}')
    assert (status, body["type"]) == (200, "a\\u0000b")


async def test_free_json_keeps_its_numbers(server: Server) -> None:
    sent = b'{"big":123456789012345678901234567890,"deep":{"n":-0}}'
    status, body = await ask(server, "PUT", "/content", sent)
    assert (status, body) == (200, {"big": 123456789012345678901234567890, "deep": {"n": 0}})


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 1000


async def test_too_large_a_body_is_refused_however_it_comes(server: Server) -> None:
    for body in (b" " * 100_001, chunks(101)):
        status, answer = await ask(server, "PUT", "/content", body)
        assert (status, answer["errcode"]) == (413, "M_TOO_LARGE")


async def test_a_compressed_body_counts_by_what_it_becomes(server: Server) -> None:
    for size, status in ((50_000, 200), (100_001, 413)):
        body = gzip.compress(json.dumps({"a": "b" * size}).encode())
        answer = await server.client.put("/_matrix/client/v3/content", data=body, headers={"Content-Encoding": "gzip"})
        assert answer.status == status


async def test_a_broken_encoding_is_the_callers_fault(server: Server) -> None:
    answer = await server.client.put(
        "/_matrix/client/v3/content", data=b"no gzip at all", headers={"Content-Encoding": "gzip"}
    )
    assert answer.status == 400


async def test_a_stream_and_bytes_are_given_as_they_are(server: Server) -> None:
    answer = await server.client.post(
        "/_matrix/client/v3/upload", data=chunks(3000), headers={"Content-Type": "image/png"}
    )
    assert await answer.json() == {"bytes": 3_000_000, "type": "image/png"}
    assert await ask(server, "POST", "/short", b"\xff\x00") == (200, {"bytes": 2})


async def test_a_connection_serves_on_after_an_unread_body(server: Server) -> None:
    for _ in range(3):
        status, _answer = await ask(server, "POST", "/unknown", b"x" * 10_000)
        assert status == 404
    assert await ask(server, "POST", "/leave", b"{}") == (200, {"reason": None})


async def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(server: Server) -> None:
    head = b"PUT /_matrix/client/v3/content HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    await send_and_leave(server.base_url, head)
    value = server.metrics.registry.get_sample_value
    labels = {"method": "PUT", "endpoint": "/_matrix/client/content", "status": "499"}
    for _ in range(500):
        if value("oriz_requests_total", labels) == 1:
            break
        await asyncio.sleep(0.01)
    assert value("oriz_requests_total", labels) == 1
    assert value("oriz_requests_in_flight") == 0
