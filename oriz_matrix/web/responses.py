"""From what an endpoint's function returns, or an error that it raises, to an HTTP response.

A `Struct` or a dict is a 200 with JSON, `Answer` says more, `Stream` sends a body piece by piece. Errors of the
protocol become their status and JSON here and nowhere else; anything else becomes a 500 that says nothing.
"""

import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from oriz_matrix.protocol.errors import MatrixError

JSON = "application/json"

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Authorization, Date",
    "Access-Control-Expose-Headers": "X-Request-Id, Retry-After",
}
"""Client-server API, "Web Browser Clients": on every answer, errors too."""

_ALWAYS = {"Server": "Oriz", "Cache-Control": "no-store"}
_PLAIN = CIMultiDict(_ALWAYS)
_WITH_CORS = CIMultiDict({**_ALWAYS, **CORS})
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """An answer that is more than a 200 with JSON.

    `body` is what JSON can hold (also with `msgspec.Raw` inside), or bytes that go out as they are, or None for none.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}
    content_type: str = JSON


class Stream(msgspec.Struct, frozen=True):
    """An answer whose body comes in pieces; `length` in bytes if it is known."""

    chunks: AsyncIterator[bytes]
    content_type: str
    length: int | None = None
    headers: Mapping[str, str] = {}
    status: int = 200


def failure(error: MatrixError) -> Answer:
    """The answer that tells an error; a 429 also says when to come again (RFC 9110, "Retry-After", in seconds)."""
    retry_after_ms = error.extra.get("retry_after_ms")
    headers = {} if retry_after_ms is None else {"Retry-After": str(math.ceil(retry_after_ms / 1000))}
    return Answer(error.status, error.body(), headers)


def render(result: Any, request_id: str, *, cors: bool) -> web.Response:
    """The whole response for an `Answer`, a Struct or a dict."""
    headers = _headers(request_id, cors=cors)
    if not isinstance(result, Answer):
        headers["Content-Type"] = JSON
        return web.Response(body=_encode(result), headers=headers)
    headers.update(result.headers)
    if result.body is None:
        return web.Response(status=result.status, headers=headers)
    headers["Content-Type"] = result.content_type
    body = result.body if isinstance(result.body, bytes) else _encode(result.body)
    return web.Response(body=body, status=result.status, headers=headers)


async def send_stream(stream: Stream, request: web.BaseRequest, request_id: str, *, cors: bool) -> web.StreamResponse:
    """Send a stream; whatever goes wrong after its head breaks the connection, so that nobody takes half for whole."""
    headers = _headers(request_id, cors=cors)
    headers.update(stream.headers)
    headers["Content-Type"] = stream.content_type
    response = web.StreamResponse(status=stream.status, headers=headers)
    response.content_length = stream.length
    await response.prepare(request)
    if request.method != "HEAD":
        async for chunk in stream.chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


def _headers(request_id: str, *, cors: bool) -> CIMultiDict[str]:
    headers = (_WITH_CORS if cors else _PLAIN).copy()
    headers["X-Request-Id"] = request_id
    return headers
