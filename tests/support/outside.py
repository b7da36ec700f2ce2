"""The world outside of a server under test: DNS, an authority for certificates, servers that do as they are told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from msgspec.structs import replace

from oriz_matrix.app.reach import Reach, reach
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.federation import Federation as Settings
from oriz_matrix.base.config.types import AddressSet
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.net.discovery import Ports
from oriz_matrix.net.names import Dns
from tests.support.dns import DnsServer

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Stranger:
    """A server with a certificate; `answers` by path are JSON, or handlers for more.

    seen: (method, path, Host, SNI) of what came in, and with it the bodies and headers.
    """

    port: int
    names: tuple[str, ...]
    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    sni: str | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append((request.method, request.raw_path, request.headers.get("Host", ""), self.sni))
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.connections.add(id(request.transport))
        answer = self.answers.get(request.path)
        if answer is None:
            return web.json_response({"errcode": "M_UNRECOGNIZED", "error": "No"}, status=404)
        return await answer(request) if callable(answer) else web.json_response(answer)


class Outside:
    """DNS and an authority; servers are made as they are needed."""

    def __init__(self, folder: Path, dns: DnsServer) -> None:
        self.dns = dns
        self.authority = trustme.CA()
        self.ca_file = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)
        self._runners: list[web.ServerRunner] = []
        self._reached: list[Reach] = []

    def context(self, stranger: Stranger | None, *names: str, authority: trustme.CA | None = None) -> ssl.SSLContext:
        """TLS with a certificate for these names, by our authority or another."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert(*names).configure_cert(context)

        def note(_connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            if stranger is not None:
                stranger.sni = name

        context.sni_callback = note
        return context

    async def server(self, *names: str, authority: trustme.CA | None = None) -> Stranger:
        """A server at a free port of 127.0.0.1, with a certificate for these names."""
        stranger = Stranger(0, names)
        runner = web.ServerRunner(web.Server(stranger, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        context = self.context(stranger, *names, authority=authority)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        stranger.port = runner.addresses[0][1]
        return stranger

    def host(self, name: str, address: str = "127.0.0.1") -> None:
        """Gives a name an address."""
        self.dns.zone[(name, "A")] = [address]

    def settings(self, **options: Any) -> Settings:
        """This world's authority is trusted, and loopback addresses are allowed."""
        here = Settings(
            enabled=True,
            ca_files=(self.ca_file,),
            allowed_addresses=AddressSet(["127.0.0.0/8"]),
            connect_seconds=10,
            request_seconds=20,
        )
        return replace(here, **options)

    async def reach(
        self,
        settings: Settings | None = None,
        ports: Ports | None = None,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> Reach:
        """What reaches into this world, started."""
        made = reach(
            settings or self.settings(),
            clock or Clock(),
            metrics or Metrics(),
            lambda: Dns([self.dns.address]),
            ports,
        )
        await made.client.start()
        self._reached.append(made)
        return made

    async def stop(self) -> None:
        """Ends everything."""
        for made in self._reached:
            await made.client.stop()
        for runner in self._runners:
            await runner.cleanup()
        self.dns.stop()
        await asyncio.sleep(0)  # the event loop closes sockets a turn later


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    """A world for one test."""
    world = Outside(folder, await DnsServer.start())
    try:
        yield world
    finally:
        await world.stop()
