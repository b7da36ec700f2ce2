"""Our connections: aiohttp's, which speak JSON about broken HTTP too, and which know what to cancel when they end.

aiohttp lets a request's function run on when its client goes away, which is right for whatever writes. What only
waits is run inside `cancellable()` and ends with its connection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

from oriz_matrix.protocol.errors import BadRequest, Internal, MatrixError, TooLarge
from oriz_matrix.web.responses import failure, render

logger = structlog.get_logger(__name__)

LONGEST_LINE = 16384
"""Bytes of a request line or header field; a filter may stand in a query."""


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_waiting",)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone (aiohttp calls this)."""
        super().connection_lost(exc)
        waiting: asyncio.Task[object] | None = getattr(self, "_waiting", None)
        if waiting is not None:
            waiting.cancel()

    @contextmanager
    def cancellable(self) -> Iterator[asyncio.Task[object]]:
        """What runs inside is cancelled when the client goes away; gives the task that would be cancelled."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting: asyncio.Task[object] | None = task
        try:
            yield task
        finally:
            self._waiting = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, or to a fault of the dispatch itself; ends the connection.

        Raises `ConnectionError` where an answer is impossible: the client is gone, or an answer has begun.
        """
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionResetError("no answer can be given") from exc
        error: MatrixError
        if status >= 500:
            logger.error("dispatch failed", exc_info=exc)
            error = Internal()
        else:
            logger.debug("broken request", reason=message, ip=request.remote)
            error = TooLarge() if status in (413, 414, 431) else BadRequest("This is not a valid HTTP request")
        response = render(failure(error), "-", cors=True)
        response.force_close()
        return response


class Server(web.Server):
    """Makes a `Connection` for each client."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(
            handler, access_log=None, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE, tcp_keepalive=True
        )

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)
