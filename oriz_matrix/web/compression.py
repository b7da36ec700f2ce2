"""Answers compressed for those who take it: which coding, at which level, and for which answers it pays.

What a client takes is said by Accept-Encoding (RFC 9110, 12.5.3). The table `CODINGS` is in our order of preference;
its levels are measured in docs/decisions/0001-compression.md. Streams are never compressed: what they carry, media,
is compressed already.
"""

import asyncio
import sys
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import brotli
from aiohttp import web

from oriz_matrix.base.config.model import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_FORM = 31
"""zlib's window bits for the largest window, with gzip's head and tail."""


class Coding(NamedTuple):
    """A content coding; bodies above `inline_bytes` would stop the event loop for half a millisecond or more."""

    name: str
    compress: Callable[[bytes], bytes]
    inline_bytes: int


CODINGS = (
    Coding("zstd", partial(zstd.compress, level=1), 262_144),
    Coding("br", partial(brotli.compress, mode=brotli.MODE_TEXT, quality=1), 65_536),
    Coding("gzip", partial(zlib.compress, level=3, wbits=GZIP_FORM), 32_768),
)

_COMPRESSIBLE = ("application/json", "text/", "image/svg+xml")
"""How the types of bodies begin that shrink."""


class Choice(NamedTuple):
    """The coding that a client likes best, if any, and whether it takes a body as it is."""

    coding: Coding | None
    plain: bool


class Compressor:
    """Compresses answers as the operator wants and the client can."""

    def __init__(self, compression: Compression) -> None:
        self._enabled = compression.enabled
        self._minimum = compression.minimum_bytes

    async def compress(self, response: web.Response, request: web.BaseRequest) -> None:
        """Replaces the response's body by a smaller one where that pays; a large one is compressed on a thread."""
        body = response.body
        if not self._enabled or not isinstance(body, bytes) or not _is_compressible(response):
            return
        response.headers["Vary"] = "Accept-Encoding"
        accepted = request.headers.getall("Accept-Encoding", None)
        coding, plain = choose("identity" if accepted is None else ",".join(accepted))
        if coding is None or (plain and len(body) < self._minimum):
            return
        if len(body) <= coding.inline_bytes:
            compressed = coding.compress(body)
        else:
            compressed = await asyncio.to_thread(coding.compress, body)
        if not plain or len(compressed) < len(body):
            response.body = compressed
            response.headers["Content-Encoding"] = coding.name


def _is_compressible(response: web.Response) -> bool:
    headers = response.headers
    return headers.get("Content-Type", "").startswith(_COMPRESSIBLE) and "Content-Encoding" not in headers


@lru_cache(maxsize=128)
def choose(accepted: str) -> Choice:
    """What an Accept-Encoding field asks for: the coding of the highest weight, of equal ones the first of ours.

    A coding that is not named has the weight of `*`, or else none; no coding at all is always possible, unless it has
    the weight 0 by name or by `*`. Where nothing at all is acceptable the body goes out as it is, as RFC 9110 allows.
    """
    weights = _weights(accepted)
    others = weights.get("*")
    best = max(CODINGS, key=lambda coding: weights.get(coding.name, others or 0))
    weight = weights.get(best.name, others or 0)
    if weight == 0 or weights.get("identity", 0) > weight:
        return Choice(None, plain=True)
    return Choice(best, plain=weights.get("identity", others) != 0)


def _weights(accepted: str) -> dict[str, float]:
    """The weight of each coding that is named (RFC 9110, 12.4.2); what has no valid weight counts as refused."""
    weights = {}
    for item in accepted.lower().split(","):
        name, _, parameter = item.partition(";")
        mark, _, number = parameter.partition("=")
        coding = name.strip().replace("x-gzip", "gzip")
        if coding:
            weights[coding] = _weight(number.strip()) if mark.strip() == "q" else 1.0
    return weights


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0
    return weight if 0 <= weight <= 1 else 0
