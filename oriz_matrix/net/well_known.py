"""The file at a host's `/.well-known/matrix/server`: asked for over HTTPS, and kept as long as its headers say.

Source: server-server API, "Resolving server names", step 3.
"""

import asyncio

import msgspec
from yarl import URL

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.net.client import Client, Incoming, Outgoing, Purpose
from oriz_matrix.net.errors import BadAnswer, Unreachable
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_discovery import (
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    WELL_KNOWN_PATH,
    failure_seconds,
    parse_well_known,
    well_known_seconds,
)

SECONDS = 10.0
LARGEST_BYTES = 51200
REDIRECTIONS = 5
CACHE_SIZE = 20_000


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a host's file; moments are those of the monotonic clock.

    name: the server's delegate, None without a good file. failure: why there is none, or why it could not be renewed.
    failures: how often in a row it was asked for in vain. asked_at: when that was for the last time. good_at: when it
    was good.
    """

    name: ServerName | None
    until: float
    asked_at: float
    good_at: float = 0.0
    failures: int = 0
    failure: str | None = None


class WellKnown:
    """Asks for the files and keeps what they said."""

    def __init__(self, client: Client, clock: Clock, port: int = 443) -> None:
        self._client = client
        self._clock = clock
        self._port = port
        self.cache: Cache[str, Delegation] = Cache("well_known", CACHE_SIZE)

    async def ask(self, host: str) -> Delegation:
        """What is known of a host's file, which is asked for where that has expired. Never raises RemoteFailed."""
        known = self.cache.get(host)
        if known is not None and known.until > self._clock.monotonic():
            return known
        found = await self._renew(host, known)
        self.cache.put(host, found)
        return found

    def doubt(self, host: str) -> None:
        """What it said was of no use: it is asked for again, but not more than once in five minutes."""
        known = self.cache.get(host)
        if known is not None:
            again = known.asked_at + SHORTEST_SECONDS
            self.cache.put(host, msgspec.structs.replace(known, until=min(known.until, again)))

    async def _renew(self, host: str, known: Delegation | None) -> Delegation:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(SECONDS):
                name, seconds = await self._fetch(host)
        except (BadAnswer, ValueError) as error:
            return _failed(known, None, asked_at, str(error))
        except (Unreachable, TimeoutError) as error:
            return _failed(known, _still_good(known, asked_at), asked_at, str(error) or "it takes too long")
        return Delegation(name=name, until=asked_at + seconds, asked_at=asked_at, good_at=asked_at)

    async def _fetch(self, host: str) -> tuple[ServerName, float]:
        url = URL(f"https://{host}:{self._port}{WELL_KNOWN_PATH}", encoded=True)
        for _ in range(REDIRECTIONS + 1):
            incoming = await self._client.send(_request(url))
            try:
                if incoming.status not in (301, 302, 303, 307, 308):
                    return await self._read(incoming)
                url = _redirected(url, incoming)
            finally:
                incoming.close()
        raise BadAnswer("it is redirected too often")

    async def _read(self, incoming: Incoming) -> tuple[ServerName, float]:
        if incoming.status != 200:
            failure = Unreachable if incoming.status >= 500 else BadAnswer
            raise failure(f"the answer has the status {incoming.status}")
        name = parse_well_known(await incoming.read(LARGEST_BYTES))
        return name, well_known_seconds(incoming.headers, self._clock.now_ms() / 1000)


def _request(url: URL) -> Outgoing:
    return Outgoing(purpose=Purpose.WELL_KNOWN, method="GET", url=str(url), tls_name=url.host or "", seconds=SECONDS)


def _redirected(url: URL, incoming: Incoming) -> URL:
    """Where a redirection leads: to HTTPS again, or the certificate of the host would prove nothing."""
    following = url.join(URL(incoming.headers.get("Location", "")))
    if following.scheme != "https" or not following.host:
        raise BadAnswer(f"it is redirected to what is no https: {following.human_repr()[:200]}")
    return following.with_fragment(None)


def _still_good(known: Delegation | None, now: float) -> ServerName | None:
    """A delegate that was good within the last two days outlives an outage of the host that names it."""
    return known.name if known is not None and now < known.good_at + LONGEST_SECONDS else None


def _failed(known: Delegation | None, name: ServerName | None, asked_at: float, failure: str) -> Delegation:
    failures = 1 if known is None else known.failures + 1
    return Delegation(
        name=name,
        until=asked_at + failure_seconds(failures),
        asked_at=asked_at,
        good_at=0.0 if known is None else known.good_at,
        failures=failures,
        failure=failure[:500],
    )
