"""Answers are compressed for those who take it and when it pays, and what arrives is what was sent."""

import asyncio
import gzip
import json
import random
import time
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse

from oriz_matrix.base.config.model import Compression
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import CLIENT_V3, Auth
from oriz_matrix.web.responses import Answer, Stream
from tests.support.codings import DECODERS
from tests.web.serving import Server, Setting, Start

PATH = "/_matrix/client/v3/answer/"
TEXT = {"chunk": [f"message number {number}" for number in range(200)]}
LARGE = json.dumps(random.Random(3).choices(range(10**9), k=1_000_000)).encode()


@endpoint.get("/answer/{what}", versions=CLIENT_V3, auth=Auth.NONE)
async def answer(_call: Call, what: str) -> object:
    answers: dict[str, object] = {
        "long": TEXT,
        "short": {"a": "b" * 500},
        "large": Answer(body=LARGE),
        "picture": Answer(body=bytes(9000), content_type="image/png"),
        "noise": Answer(body=random.Random(1).randbytes(5000), content_type="text/plain"),
        "compressed": Answer(body=gzip.compress(bytes(9000)), headers={"Content-Encoding": "gzip"}),
        "nothing": Answer(204),
        "stream": Stream(_chunks(), "text/plain"),
    }
    if what == "error":
        raise Forbidden("no" * 2000)
    return answers[what]


async def _chunks() -> AsyncIterator[bytes]:
    yield bytes(9000)


async def get(server: Server, what: str, accepted: str | None, method: str = "GET") -> ClientResponse:
    """The answer as it came over the wire."""
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    skip = ["Accept-Encoding"] if accepted is None else []
    response = await server.client.request(
        method, PATH + what, headers=headers, skip_auto_headers=skip, auto_decompress=False
    )
    await response.read()
    return response


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", None),
        (None, None),
        ("", None),
        ("identity", None),
        ("*", "zstd"),
        ("zstd;q=0, *", "br"),
        ("zstd;q=0,br;q=0,gzip;q=0,*", None),
        ("gzip;q=0.8, br;q=0.5", "gzip"),
        ("gzip;q=1.0, zstd;q=0.1", "gzip"),
        ("gzip ; q=0.5 , zstd ; q=0.5", "zstd"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*;q=0", None),
        ("gzip, *;q=0", "gzip"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0", None),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("gzip;q=much", None),
        ("gzip;q=nan", None),
        ("gzip;q=-1", None),
        ("gzip;level=9", "gzip"),
        (",;,gzip,", "gzip"),
    ],
)
async def test_the_coding_is_the_one_that_the_client_likes_best(
    start: Start, accepted: str | None, coding: str | None
) -> None:
    server = await start(answer)
    response = await get(server, "long", accepted)
    body = await response.read()
    assert response.headers.get("Content-Encoding") == coding
    assert response.headers["Vary"] == "Accept-Encoding"
    assert int(response.headers["Content-Length"]) == len(body)
    assert json.loads(DECODERS[coding](body) if coding else body) == TEXT


async def test_several_fields_count_as_one(start: Start) -> None:
    server = await start(answer)
    headers = [("Accept-Encoding", "zstd;q=0.1"), ("Accept-Encoding", "br")]
    async with server.client.get(PATH + "long", headers=headers) as response:
        assert response.headers["Content-Encoding"] == "br"
        assert await response.json() == TEXT


@pytest.mark.parametrize("what", ["short", "picture", "noise", "stream", "nothing"])
async def test_what_would_not_gain_goes_out_as_it_is(start: Start, what: str) -> None:
    server = await start(answer)
    response = await get(server, what, "gzip, zstd")
    assert "Content-Encoding" not in response.headers
    assert (await response.read()) == (await (await get(server, what, None)).read())


async def test_who_refuses_the_plain_form_never_gets_it(start: Start) -> None:
    server = await start(answer)
    for what in ("short", "noise"):
        for accepted in ("gzip, identity;q=0", "gzip, *;q=0"):
            assert (await get(server, what, accepted)).headers["Content-Encoding"] == "gzip"


async def test_what_is_compressed_already_is_left_alone(start: Start) -> None:
    server = await start(answer)
    response = await get(server, "compressed", "gzip, zstd")
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await response.read()) == bytes(9000)


async def test_head_says_what_get_would(start: Start) -> None:
    server = await start(answer)
    head, full = await get(server, "long", "gzip", "HEAD"), await get(server, "long", "gzip")
    for name in ("Content-Encoding", "Content-Length", "Vary"):
        assert head.headers[name] == full.headers[name]
    assert await head.read() == b""


async def test_errors_are_answers_like_others(start: Start) -> None:
    server = await start(answer)
    response = await get(server, "error", "gzip")
    assert (response.status, response.headers["Content-Encoding"]) == (403, "gzip")
    assert json.loads(gzip.decompress(await response.read()))["errcode"] == "M_FORBIDDEN"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    options = await get(server, "long", "gzip", "OPTIONS")
    assert options.status == 204
    assert "Content-Encoding" not in options.headers


async def test_the_operator_decides(start: Start) -> None:
    off = await start(answer, setting=Setting(compression=Compression(enabled=False)))
    response = await get(off, "long", "gzip, identity;q=0")
    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers
    eager = await start(answer, setting=Setting(compression=Compression(minimum_bytes=100)))
    assert (await get(eager, "short", "gzip")).headers["Content-Encoding"] == "gzip"


async def test_a_large_answer_does_not_stop_the_others(start: Start) -> None:
    server = await start(answer)
    begun = time.perf_counter()
    zlib.compress(LARGE, 3, 31)
    alone = time.perf_counter() - begun
    gaps = [0.0]

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    heart = asyncio.create_task(beat())
    response = await get(server, "large", "gzip")
    heart.cancel()
    assert gzip.decompress(await response.read()) == LARGE
    assert max(gaps) < alone / 2
