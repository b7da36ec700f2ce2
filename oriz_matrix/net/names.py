"""DNS: the addresses of a name and its SRV records, as aiodns (c-ares) reads them from the system's own servers."""

import socket
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import aiodns
import pycares
from aiohttp.abc import AbstractResolver, ResolveResult

from oriz_matrix.protocol.server_discovery import Service

SECONDS = 5.0
"""How long c-ares waits for one server before it asks again."""
TRIES = 2

ABSENT = frozenset({aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA})
LONGEST_NAME = 255


class NameFailed(OSError):
    """A name leads nowhere, or nobody can be asked where it leads."""


class Services(NamedTuple):
    """The SRV records of a name, and how many seconds they hold."""

    records: list[Service]
    ttl: int


class Names(Protocol):
    """What discovery and connections ask of DNS. Both raise NameFailed."""

    async def addresses(self, host: str) -> list[str]:
        """The IP addresses of a name, aliases followed; at least one."""
        ...

    async def services(self, name: str) -> Services:
        """The SRV records of a name; none where there is no such name."""
        ...

    async def close(self) -> None:
        """Ends all questions."""
        ...


class Dns:
    """Asks DNS servers: those of the system, or those given as "address:port". To be made inside the event loop."""

    def __init__(self, servers: Sequence[str] | None = None) -> None:
        self._resolver = aiodns.DNSResolver(servers, timeout=SECONDS, tries=TRIES)

    async def addresses(self, host: str) -> list[str]:
        """The IP addresses of a name, also by the system's file of hosts. Raises NameFailed."""
        try:
            _require_sendable(host)
            found = await self._resolver.getaddrinfo(host, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            raise NameFailed(f"{host} has no address: {error.args[-1]}") from None
        return [_text(node.addr[0]) for node in found.nodes]

    async def services(self, name: str) -> Services:
        """The SRV records of a name. Raises NameFailed where that cannot be known."""
        try:
            _require_sendable(name)
            found = await self._resolver.query_dns(name, "SRV")
        except aiodns.error.DNSError as error:
            if error.args[0] in ABSENT:
                return Services([], 0)
            raise NameFailed(f"the SRV records of {name} cannot be read: {error.args[-1]}") from None
        return Services(
            [_service(record.data) for record in found.answer if isinstance(record.data, pycares.SRVRecordData)],
            min((record.ttl for record in found.answer), default=0),
        )

    async def close(self) -> None:
        """Ends all questions."""
        await self._resolver.close()


class ConnectionNames(AbstractResolver):
    """The same for aiohttp's connections."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the connector takes any
    ) -> list[ResolveResult]:
        """The addresses of a host, in the form that aiohttp wants. Raises NameFailed."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._names.addresses(host)
        ]

    async def close(self) -> None:
        """Nothing: the names belong to whoever made them."""


def _require_sendable(name: str) -> None:
    """c-ares raises errors of another kind for what fits into no question."""
    if not name or len(name) > LONGEST_NAME or any(not 0 < len(part) < 64 for part in name.rstrip(".").split(".")):
        raise NameFailed(f"{name[:LONGEST_NAME]} is no name that DNS knows")


def _service(data: pycares.SRVRecordData) -> Service:
    return Service(data.priority, data.weight, data.port, data.target.rstrip("."))


def _text(address: str | bytes) -> str:
    return address.decode() if isinstance(address, bytes) else address
