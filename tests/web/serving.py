"""A server on a real socket with whatever endpoints a test declares, and clients that send just what they are told."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession
from msgspec.structs import replace

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.limits import Limits as LimitsConfig
from oriz_matrix.base.config.limits import Rate
from oriz_matrix.base.config.listeners import Listener, Surface
from oriz_matrix.base.config.model import Compression
from oriz_matrix.base.config.types import AddressSet
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.protocol.errors import UnknownToken
from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.services import Services
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.storage.types import DeviceNid, UserNid
from oriz_matrix.web import endpoint
from oriz_matrix.web.application import Application
from oriz_matrix.web.authentication import Gate, ServerAuthenticator
from oriz_matrix.web.limits import Limits


def person(number: int, name: str) -> Requester:
    """A requester with a device."""
    return Requester(
        user=UserNid(number),
        user_id=UserId(f"@{name}:example.org"),
        session=number,
        device=DeviceNid(number),
        device_id=DeviceId("PHONE"),
    )


ALICE = person(1, "alice")
TOKENS = {
    "alice": ALICE,
    "bob": person(2, "bob"),
    "guest": replace(person(3, "guest"), is_guest=True),
    "admin": replace(person(4, "admin"), is_admin=True),
    "locked": replace(person(5, "locked"), is_locked=True),
    "bridge": replace(person(6, "bridge"), rate_limited=False),
}


class Tokens:
    """The access tokens above."""

    async def requester(self, access_token: str, now_ms: int) -> Requester:
        if access_token not in TOKENS:
            raise UnknownToken(soft_logout=False)
        return TOKENS[access_token]


@dataclass
class Server:
    """A running application and a client for it."""

    application: Application
    client: ClientSession
    metrics: Metrics
    base_url: str

    async def close(self) -> None:
        await self.client.close()
        await self.application.drain(0.2)


@dataclass
class Setting:
    """What a test wants to be different."""

    listener: Listener = field(default_factory=lambda: Listener(port=0, surfaces=(Surface.CLIENT, Surface.METRICS)))
    rates: dict[str, Rate] = field(default_factory=dict)
    token_in_query: bool = True
    compression: Compression = field(default_factory=Compression)
    servers: ServerAuthenticator | None = None


Start = Callable[..., Awaitable[Server]]


async def run(endpoints: Iterable[endpoint.Endpoint], setting: Setting) -> Server:
    """Start a server with these endpoints."""
    metrics, clock = Metrics(), FakeClock()
    limits = Limits(setting.rates, clock)
    services = object.__new__(Services)  # nothing of the web layer looks inside
    gate = Gate(services, Tokens(), limits, clock, token_in_query=setting.token_in_query, servers=setting.servers)
    application = Application(endpoints, [setting.listener], gate, LimitsConfig(), setting.compression, metrics)
    await application.start()
    address = application.addresses[0]
    base_url = "http://localhost" if address.startswith("/") else f"http://{address}"
    return Server(application, ClientSession(base_url), metrics, base_url)


def trusting(*networks: str) -> Setting:
    """A setting in which proxies in these networks are believed."""
    return Setting(Listener(port=0, trusted_proxies=AddressSet(networks)))


async def raw_get(base_url: str, path: str) -> tuple[int, Any]:
    """A GET of exactly this path; clients' libraries would tidy it."""
    head, body = await raw(base_url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return int(head.split()[1]), json.loads(body)


async def raw(base_url: str, request: bytes) -> tuple[bytes, bytes]:
    """Send these bytes; the head and the body of the answer, when the server has closed."""
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def send_and_leave(base_url: str, request: bytes) -> None:
    """Send these bytes and go away without waiting for the answer."""
    host, port = base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await writer.wait_closed()
