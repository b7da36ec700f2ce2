"""Questions that this server asks others because somebody here wants to know: bounded, shared, kept for a moment.

Nobody can make this server wait long or remember much: an answer has a largest size, whoever asks the same at the same
time shares one request, and a server that does not answer is left alone for a while. Whatever goes wrong is a NotFound
(or a Forbidden, where the other server says so): it is not a fault of this server that another is away.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec
import structlog
from cachetools import TTLCache

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.shared_calls import SharedCalls
from oriz_matrix.net.errors import Refused, RemoteFailed, Unreachable
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import Forbidden, LimitExceeded, MatrixError, NotFound
from oriz_matrix.protocol.identifiers import ServerName

T = TypeVar("T")

SECONDS = 8.0
"""How long another server may take; a client waits meanwhile."""
KEPT_SECONDS = 60.0
KEPT_BYTES = 16 * 1024 * 1024
SILENT_SECONDS = 30.0
AT_ONCE = 100
MOST_WAITING = 1_000

log = structlog.get_logger()


class Question(NamedTuple, Generic[T]):
    """What is asked. uri: path and query; body: of a POST, None for a GET. largest: bytes of the answer.

    read: makes a value that msgspec can write out of the answer, raises a MatrixError where that is nonsense.
    missing: what is told to the client where the other server does not know. is_kept: whether the answer is kept.
    """

    uri: str
    read: Callable[[Mapping[str, Any]], T]
    missing: str
    largest: int
    body: Mapping[str, Any] | None = None
    is_kept: bool = True

    @property
    def request(self) -> PeerRequest:
        """It as a request."""
        if self.body is None:
            return PeerRequest(method="GET", uri=self.uri, seconds=SECONDS, limit=self.largest)
        body = encode(self.body)
        return PeerRequest(method="POST", uri=self.uri, body=body, seconds=SECONDS, limit=self.largest)


_Key = tuple[ServerName, str, bytes | None]


class Queries:
    """Asks other servers."""

    def __init__(self, federation: Federation | None, clock: Clock) -> None:
        """`federation` is None where this server talks with no other: then nobody answers."""
        self._federation = federation
        self._clock = clock
        self._kept: TTLCache[_Key, tuple[object, int]] = TTLCache(
            KEPT_BYTES, KEPT_SECONDS, timer=clock.monotonic, getsizeof=lambda kept: kept[1]
        )
        self._running: SharedCalls[_Key, Any] = SharedCalls()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self.silent: Cache[ServerName, float] = Cache("silent_servers", 10_000)

    async def ask(self, server: ServerName, question: Question[T]) -> T:
        """What the server answers. Raises NotFound and Forbidden, and LimitExceeded where too much is asked."""
        request = question.request
        key = (server, request.uri, request.body)
        kept = self._kept.get(key)
        if kept is not None:
            return cast("T", kept[0])
        return cast("T", await self._running.share(key, lambda: self._ask(key, question, request)))

    async def _ask(self, key: _Key, question: Question[T], request: PeerRequest) -> T:
        server = key[0]
        content = await self._fetch(server, request, question.missing)
        try:
            value = question.read(content)
            size = len(msgspec.json.encode(value))
        except (MatrixError, ValueError, OverflowError) as error:
            log.info("a server's answer is nonsense", server=server, uri=request.uri, reason=str(error))
            raise NotFound(question.missing) from None
        if question.is_kept:
            self._kept[key] = (value, size)
        return value

    async def _fetch(self, server: ServerName, request: PeerRequest, missing: str) -> dict[str, Any]:
        if self._federation is None or self._clock.monotonic() < (self.silent.get(server) or 0.0):
            raise NotFound(f"{server} does not answer")
        if self._waiting >= MOST_WAITING:
            raise LimitExceeded(1_000)
        self._waiting += 1
        try:
            async with self._places, asyncio.timeout(SECONDS):
                return await self._federation.ask(server, request)
        except Refused as error:
            log.info("a server refuses", server=server, uri=request.uri, reason=str(error))
            if error.status == 403:
                raise Forbidden(f"{server} does not tell") from None
            raise NotFound(f"{server} cannot answer now" if error.temporary else missing) from None
        except (RemoteFailed, TimeoutError) as error:
            log.info("a server does not answer", server=server, uri=request.uri, reason=str(error))
            if isinstance(error, Unreachable | TimeoutError):
                self.silent.put(server, self._clock.monotonic() + SILENT_SECONDS)
            raise NotFound(f"{server} does not answer") from None
        finally:
            self._waiting -= 1
