"""The listeners of one process: sockets, TLS, start and graceful end."""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

from aiohttp import web

from oriz_matrix.base.config.limits import Limits
from oriz_matrix.base.config.listeners import Listener, Tls
from oriz_matrix.base.config.model import Compression
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.web.authentication import Gate
from oriz_matrix.web.compression import Compressor
from oriz_matrix.web.connection import Server
from oriz_matrix.web.dispatch import Dispatcher
from oriz_matrix.web.endpoint import Endpoint
from oriz_matrix.web.table import Table

BACKLOG = 1024


class Application:
    """All endpoints at all configured listeners.

    start: opens the listeners. drain: closes them and waits for what is being answered.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        listeners: Sequence[Listener],
        gate: Gate,
        limits: Limits,
        compression: Compression,
        metrics: Metrics,
    ) -> None:
        declared = list(endpoints)
        compressor = Compressor(compression)
        self._open: list[_Open] = []
        for listener in listeners:
            table = Table(declared, listener.surfaces, limits, metrics)
            dispatcher = Dispatcher(table, gate, compressor, listener.trusted_proxies, metrics)
            self._open.append(_Open(listener, dispatcher))

    async def start(self, *, share_ports: bool = False) -> None:
        """Open all listeners; with `share_ports` several processes may listen at one port.

        Raises `OSError`, whose `strerror` begins with the place where it failed.
        """
        for listener in self._open:
            try:
                await listener.start(share_ports=share_ports)
            except OSError as error:
                raise OSError(error.errno, f"{listener.place}: {_reason(error)}") from error

    @property
    def addresses(self) -> list[str]:
        """Where each listener really listens: "127.0.0.1:8008", "[::1]:8008" or a path; in the order of the config."""
        return [address for listener in self._open for address in listener.addresses()]

    async def drain(self, seconds: float = 30) -> None:
        """Accept nothing more, answer what only waits, give the rest `seconds` to finish, then end it."""
        await asyncio.gather(*(listener.drain(seconds) for listener in self._open))


class _Open:
    """One listener and what runs at it."""

    def __init__(self, listener: Listener, dispatcher: Dispatcher) -> None:
        self._listener = listener
        self._dispatcher = dispatcher
        self._runner: web.ServerRunner | None = None

    async def start(self, *, share_ports: bool) -> None:
        self._runner = web.ServerRunner(Server(self._dispatcher))
        await self._runner.setup()
        tls = None if self._listener.tls is None else tls_context(self._listener.tls)
        if self._listener.socket is not None:
            await self._start_unix(self._runner, self._listener.socket, tls)
        else:
            site = web.TCPSite(
                self._runner,
                self._listener.address,
                self._listener.port,
                ssl_context=tls,
                backlog=BACKLOG,
                reuse_port=share_ports or None,
            )
            await site.start()

    async def _start_unix(self, runner: web.ServerRunner, path: Path, tls: ssl.SSLContext | None) -> None:
        await web.UnixSite(runner, path, ssl_context=tls, backlog=BACKLOG).start()
        _allow(path, self._listener.mode_bits)

    @property
    def place(self) -> str:
        """Where the configuration wants it."""
        return str(self._listener.socket or _address_text((self._listener.address, self._listener.port)))

    def addresses(self) -> list[str]:
        return [] if self._runner is None else [_address_text(address) for address in self._runner.addresses]

    async def drain(self, seconds: float) -> None:
        if self._runner is None:
            return
        for site in self._runner.sites:
            await site.stop()
        self._dispatcher.end_waiting()
        server = self._runner.server
        if server is not None:
            server.pre_shutdown()
            await server.shutdown(seconds / 2)  # aiohttp waits twice: for the function, then for its answer
        await self._runner.cleanup()


def tls_context(tls: Tls) -> ssl.SSLContext:
    """A server's context with this certificate; raises `OSError` or `ssl.SSLError` if it cannot be read."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _allow(path: Path, mode: int) -> None:
    path.chmod(mode)


def _reason(error: OSError) -> str:
    """Why, in the system's words; the event loops' own words repeat the place, each in its way."""
    if isinstance(error, ssl.SSLError | socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _address_text(address: object) -> str:
    if not isinstance(address, tuple):
        return str(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
