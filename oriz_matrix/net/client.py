"""The one HTTP session for everything outside: connections kept open, time and size bounded, every request counted.

It knows addresses and certificates, and nothing of Matrix. No redirection is followed and no cookie kept.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from enum import Enum

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.federation import Federation as Settings
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.net.errors import BadAnswer, NotConnected, RemoteFailed, Unreachable
from oriz_matrix.net.guard import AddressForbidden, Guard
from oriz_matrix.net.names import ConnectionNames, Names
from oriz_matrix.net.probe import Certificate, probe
from oriz_matrix.protocol.identifiers import is_ip_literal
from oriz_matrix.protocol.server_discovery import Target

KEEPALIVE_SECONDS = 60
USER_AGENT = "Oriz"
CHUNK_BYTES = 65536


class Purpose(Enum):
    """What a request is for, in metrics."""

    FEDERATION = "federation"
    WELL_KNOWN = "well-known"


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `url` is encoded as it shall be sent; `tls_name` is whose certificate is wanted; `seconds` for all of
    it, until the answer is read."""

    purpose: Purpose
    method: str
    url: str
    tls_name: str
    seconds: float
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Incoming:
    """The answer to a request, its body still to be read; to be closed in any case."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """HTTP's status."""
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers."""
        return self._response.headers

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises BadAnswer where it has more than `limit` bytes, and Unreachable."""
        return b"".join([chunk async for chunk in self.chunks(limit)])

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The body piece by piece, decompressed. Raises like `read`, when so much has come."""
        size = 0
        try:
            async for chunk in self._response.content.iter_chunked(CHUNK_BYTES):
                size += len(chunk)
                if size > limit:
                    raise BadAnswer(f"the answer is larger than {limit} bytes")
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failure(error) from None

    def close(self) -> None:
        """Ends the connection, unless the body has been read: then it is free for the next request already."""
        self._response.close()


class Client:
    """The session, with the DNS it uses."""

    def __init__(self, settings: Settings, make_names: Callable[[], Names], clock: Clock, metrics: Metrics) -> None:
        """`make_names` is called inside the event loop. Raises OSError where a file of authorities cannot be read."""
        self._settings = settings
        self._guard = Guard(settings.forbidden_addresses, settings.allowed_addresses)
        self._proxy = None if settings.proxy is None else settings.proxy.reveal()
        self._make_names = make_names
        self._clock = clock
        self._metrics = metrics
        self._tls: ssl.SSLContext | None = None
        self._names: Names | None = None
        self._session: aiohttp.ClientSession | None = None

    async def probe(self, address: str, target: Target) -> Certificate:
        """Connects to one address of a place, only to see what it shows. Raises NotConnected."""
        assert self._tls is not None, "the client was started"
        if not self._guard.permits(address):
            raise NotConnected(f"connections to {address} are forbidden")
        return await probe(address, target, self._tls, self._settings.connect_seconds)

    @property
    def names(self) -> Names:
        """DNS, once started."""
        assert self._names is not None
        return self._names

    async def start(self) -> None:
        """Makes the session. Raises OSError where a file of authorities cannot be read."""
        self._tls = _tls_context(self._settings)
        self._names = self._make_names()
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            resolver=ConnectionNames(self._names),
            # Through a proxy, every connection is to the proxy.
            socket_factory=None if self._proxy else self._guard.socket,
            keepalive_timeout=KEEPALIVE_SECONDS,
            limit=0,  # whoever asks bounds how much
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": USER_AGENT}
        )

    async def stop(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()
        if self._names is not None:
            await self._names.close()

    async def send(self, outgoing: Outgoing) -> Incoming:
        """Sends a request and gives its answer, which must be closed.

        Raises NotConnected where nothing of it was sent, and Unreachable or BadAnswer where that is not sure.
        """
        started = self._clock.monotonic()
        outcome = "cancelled"
        try:
            incoming = Incoming(await self._request(outgoing))
            outcome = f"{incoming.status // 100}xx"
        except RemoteFailed as failure:
            outcome = type(failure).__name__
            raise
        finally:
            self._metrics.count_outgoing(outgoing.purpose.value, outcome, self._clock.monotonic() - started)
        return incoming

    async def _request(self, outgoing: Outgoing) -> aiohttp.ClientResponse:
        assert self._session is not None, "the client was started"
        try:
            url = URL(outgoing.url, encoded=True)
            self._check_literal(url)
            return await self._session.request(
                outgoing.method,
                url,
                data=outgoing.body,
                headers=outgoing.headers,
                allow_redirects=False,
                server_hostname=outgoing.tls_name,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=outgoing.seconds, connect=self._settings.connect_seconds),
            )
        except (aiohttp.ClientError, TimeoutError, AddressForbidden, ValueError) as error:
            raise _failure(error) from None

    def _check_literal(self, url: URL) -> None:
        """What a proxy would connect to without asking DNS."""
        host = url.host or ""
        if self._proxy and is_ip_literal(f"[{host}]" if ":" in host else host) and not self._guard.permits(host):
            raise AddressForbidden(f"connections to {host} are forbidden")


def _tls_context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for file in settings.ca_files:
        context.load_verify_locations(file)
    if not settings.verify_certificates:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """Why there is no connection, without aiohttp's words for where."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)


def _failure(error: Exception) -> RemoteFailed:
    """The same in our words; aiohttp's own classes overlap, so the order counts."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotConnected("no connection was made in time")
    if isinstance(error, aiohttp.ClientConnectorError | AddressForbidden | ValueError):
        return NotConnected(_reason(error))
    if isinstance(error, TimeoutError):
        return Unreachable("the server did not answer in time")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        return BadAnswer(f"the answer is broken: {error}")
    return Unreachable(str(error) or type(error).__name__)
