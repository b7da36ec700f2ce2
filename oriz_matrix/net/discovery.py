"""From a server's name to the places where it is reached, in all the ways of the specification.

What is found is kept as a whole, and never longer than the well-known file it came from, so that no stale SRV record
outlives a new file (traps.md 15). Source: server-server API, "Resolving server names".
"""

import random
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.shared_calls import SharedCalls
from oriz_matrix.net.client import Client
from oriz_matrix.net.errors import NotConnected
from oriz_matrix.net.names import NameFailed, Services
from oriz_matrix.net.well_known import CACHE_SIZE, Delegation, WellKnown
from oriz_matrix.protocol.identifiers import ServerName, split_server_name
from oriz_matrix.protocol.server_discovery import (
    FEDERATION_PORT,
    Target,
    direct_target,
    service_names,
    service_targets,
    usual_target,
)

SHORTEST_SECONDS = 60
LONGEST_SECONDS = 3600
"""How long SRV records, or their absence, are believed at least and at most."""

FOR_EVER = float("inf")


class Ports(NamedTuple):
    """Where well-known files and servers stand that say nothing else; others only in tests."""

    well_known: int = 443
    federation: int = FEDERATION_PORT


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is reached: the targets in the order in which they are tried.

    delegation: what its well-known file said, None where it was not asked for. service: the name whose SRV records were
    used, if any. until: how long this holds, by the monotonic clock.
    """

    targets: tuple[Target, ...]
    until: float
    delegation: Delegation | None = None
    service: str | None = None


class Discovery:
    """Finds servers, and remembers where."""

    def __init__(self, client: Client, clock: Clock, ports: Ports | None = None) -> None:
        ports = ports or Ports()
        self._client = client
        self._clock = clock
        self._port = ports.federation
        self._well_known = WellKnown(client, clock, ports.well_known)
        self._found: Cache[ServerName, Resolution] = Cache("discovery", CACHE_SIZE)
        self._running: SharedCalls[ServerName, Resolution] = SharedCalls()

    def caches(self) -> list[Cache[Any, Any]]:
        """For the metrics."""
        return [self._well_known.cache, self._found]

    async def resolve(self, server: ServerName) -> Resolution:
        """Where a server is reached. Raises NotConnected where its SRV records say nowhere, or cannot be read."""
        direct = direct_target(server, self._port)
        if direct is not None:
            return Resolution(targets=(direct,), until=FOR_EVER)
        known = self._found.get(server)
        if known is not None and known.until > self._clock.monotonic():
            return known
        return await self._running.share(server, lambda: self._resolve(server))

    def forget(self, server: ServerName) -> None:
        """The server was not found there: it is looked for again next time."""
        self._found.drop(server)
        self._well_known.doubt(split_server_name(server)[0])

    async def _resolve(self, server: ServerName) -> Resolution:
        delegation = await self._well_known.ask(server)
        name = delegation.name or server
        direct = direct_target(name, self._port)
        if direct is not None:
            found = Resolution(targets=(direct,), until=delegation.until, delegation=delegation)
        else:
            found = await self._by_services(name, delegation)
        self._found.put(server, found)
        return found

    async def _by_services(self, host: str, delegation: Delegation) -> Resolution:
        """Steps 3.3 to 3.5, or 4 to 6."""
        service, records = await self._services(host)
        targets = service_targets(host, records.records, lambda highest: random.randint(0, highest))  # noqa: S311
        if records.records and not targets:
            raise NotConnected(f"the SRV records of {service} say that there is no server")
        seconds = min(max(records.ttl, SHORTEST_SECONDS), LONGEST_SECONDS)
        return Resolution(
            targets=targets or (usual_target(host, self._port),),
            until=min(delegation.until, self._clock.monotonic() + seconds),
            delegation=delegation,
            service=service,
        )

    async def _services(self, host: str) -> tuple[str | None, Services]:
        """The first SRV records that exist, and their name."""
        for name in service_names(host):
            try:
                found = await self._client.names.services(name)
            except NameFailed as error:
                raise NotConnected(str(error)) from None
            if found.records:
                return name, found
        return None, Services([], 0)
