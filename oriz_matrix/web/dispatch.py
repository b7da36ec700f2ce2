"""From a request to its answer: endpoint, authentication, rate limit, arguments, function, response.

One handler for a whole listener. Every request gets an id, which its log lines and its answer carry, is counted under
its endpoint's template, and leaves one line in the access log.
"""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from oriz_matrix.base.config.types import AddressSet
from oriz_matrix.base.logging import begin_context
from oriz_matrix.base.metrics import Metrics, RequestMeter
from oriz_matrix.protocol.errors import Internal, MatrixError, Unavailable, Unrecognized
from oriz_matrix.storage.errors import DatabaseUnavailable
from oriz_matrix.web.authentication import Caller, Gate
from oriz_matrix.web.compression import Compressor
from oriz_matrix.web.connection import Connection
from oriz_matrix.web.responses import Answer, Stream, failure, render, send_stream
from oriz_matrix.web.table import Route, Table

logger = structlog.get_logger(__name__)

UNKNOWN = "unknown"
"""The endpoint, and the method, of requests in metrics that are for no endpoint."""


class Exchange:
    """One request on its way to its answer."""

    __slots__ = ("id", "path", "query", "request", "route", "started", "target")

    def __init__(self, request: web.BaseRequest, request_id: str, started: float) -> None:
        self.started = started
        self.request = request
        self.id = request_id
        self.target = _origin_form(request.raw_path)
        self.path, _, self.query = self.target.partition("?")
        self.route: Route | None = None

    @property
    def cors(self) -> bool:
        """Whether the answer may be read by scripts of any web page."""
        return self.route is None or self.route.endpoint.surface.cors


class Dispatcher:
    """Answers all requests of one listener."""

    def __init__(self, table: Table, gate: Gate, compressor: Compressor, proxies: AddressSet, metrics: Metrics) -> None:
        self._table = table
        self._gate = gate
        self._compressor = compressor
        self._clock = gate.clock
        self._proxies = proxies
        self._in_flight = metrics.requests_in_flight
        self._unknown = RequestMeter(metrics, UNKNOWN, UNKNOWN)
        self._ids = _request_ids()
        self._waiting: set[asyncio.Task[object]] = set()
        self._draining = False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever happens, it is an answer of Matrix's form."""
        exchange = Exchange(request, self._ids(), self._clock.monotonic())
        begin_context(request=exchange.id)
        self._in_flight.inc()
        status = 499  # nobody was there any more to take the answer
        try:
            response = await self._respond(exchange)
            status = response.status
        finally:
            self._in_flight.dec()
            self._record(exchange, status)
        return response

    def end_waiting(self) -> None:
        """Answer all that only waits, for the listener is about to close; what works is left to finish."""
        self._draining = True
        for task in self._waiting:
            task.cancel()

    async def _respond(self, exchange: Exchange) -> web.StreamResponse:
        if exchange.request.method == "OPTIONS":
            return render(Answer(204), exchange.id, cors=True)
        try:
            result = await self._call(exchange)
            if isinstance(result, Stream):
                return await send_stream(result, exchange.request, exchange.id, cors=exchange.cors)
            response = render(result, exchange.id, cors=exchange.cors)
        except MatrixError as error:
            response = render(failure(error), exchange.id, cors=exchange.cors)
        except Exception as error:
            response = self._fault(exchange, error)
        await self._compressor.compress(response, exchange.request)
        return response

    def _fault(self, exchange: Exchange, error: Exception) -> web.Response:
        """The 500 for what should not happen; raises `ConnectionError` where it is too late for an answer."""
        request = exchange.request
        if isinstance(error, ConnectionError) and request.transport is None:
            raise error
        if isinstance(error, DatabaseUnavailable):
            logger.warning("the database is away", error=str(error))
            return render(failure(Unavailable()), exchange.id, cors=exchange.cors)
        logger.error("request failed", method=request.method, path=_printable(exchange.path), exc_info=error)
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer has begun and cannot be finished") from None
        return render(failure(Internal()), exchange.id, cors=exchange.cors)

    async def _call(self, exchange: Exchange) -> Any:
        request = exchange.request
        segments = exchange.path.split("/")
        route = self._table.find(segments).get(request.method)
        if route is None:
            raise Unrecognized("This path does not know this method", status=405)
        exchange.route = route
        if self._draining and route.endpoint.cancellable:
            raise Unavailable
        body = route.arguments.body_of(request)
        address = self._address(request)
        caller = Caller(exchange.id, address, request.headers, exchange.query, request.method, exchange.target, body)
        call = await self._gate.admit(route.endpoint, caller)
        arguments = await route.arguments.read(body, route.values(segments), exchange.query)
        answer = route.endpoint.handler(call, **arguments)
        return await (self._wait(request, answer) if route.endpoint.cancellable else answer)

    async def _wait(self, request: web.BaseRequest, answer: Awaitable[Any]) -> Any:
        """Await what may be cancelled: by the client, who gets no answer then, or by `end_waiting`, which gives one."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        with connection.cancellable() as task:
            self._waiting.add(task)
            try:
                return await answer
            except asyncio.CancelledError:
                if not self._draining or connection.transport is None:
                    raise
                task.uncancel()
                raise Unavailable from None
            finally:
                self._waiting.discard(task)

    def _address(self, request: web.BaseRequest) -> str:
        """The caller's IP address: the last hop that is no proxy of ours. A Unix socket is always a proxy's."""
        address = request.remote or ""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        if not forwarded:
            return address
        for hop in reversed(",".join(forwarded).split(",")):
            if address and address not in self._proxies:
                break
            address = hop.strip() or address
        return address

    def _record(self, exchange: Exchange, status: int) -> None:
        seconds = self._clock.monotonic() - exchange.started
        meter = self._unknown if exchange.route is None else exchange.route.meter
        meter.record(status, seconds)
        logger.info(
            "answered",
            method=exchange.request.method,
            path=_printable(exchange.path),
            status=status,
            ms=round(seconds * 1000, 2),
        )


def _origin_form(target: str) -> str:
    """A request's target without scheme and host, which a client may name too (RFC 9112, 3.2.2)."""
    if target.startswith("/"):
        return target
    _, slash, path = target.partition("://")[2].partition("/")
    return slash + path


def _printable(path: str) -> str:
    return path if path.isascii() else ascii(path)[1:-1]


def _request_ids() -> Callable[[], str]:
    """Ids that are unique among all processes: a random word for each, and a number."""
    word = secrets.token_hex(4)
    numbers = itertools.count(1)
    return lambda: f"{word}-{next(numbers):x}"
