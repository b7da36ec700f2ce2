"""What one address shows of itself when it is connected to: for people who want to know why a server is not reached."""

import asyncio
import ssl
from typing import Any

import msgspec

from oriz_matrix.net.errors import NotConnected
from oriz_matrix.protocol.server_discovery import Target


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate that was shown; `names` are those that it holds for. Unchecked ones say nothing."""

    tls_version: str
    names: tuple[str, ...]
    issuer: str | None
    expires: str | None


async def probe(address: str, target: Target, context: ssl.SSLContext, seconds: float) -> Certificate:
    """Connects as for a request and sends nothing. Raises NotConnected."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(
                address, target.port, ssl=context, server_hostname=target.tls_name
            )
    except TimeoutError:
        raise NotConnected("no connection was made in time") from None
    except (OSError, ValueError) as error:
        raise NotConnected((error.strerror if isinstance(error, OSError) else None) or str(error)) from None
    try:
        return _certificate(writer.get_extra_info("ssl_object"))
    finally:
        writer.transport.abort()


def _certificate(connection: ssl.SSLObject) -> Certificate:
    shown: dict[str, Any] = dict(connection.getpeercert() or {})
    issuer = {name: value for part in shown.get("issuer", ()) for name, value in part}
    return Certificate(
        tls_version=connection.version() or "",
        names=tuple(str(value) for _, value in shown.get("subjectAltName", ())),
        issuer=issuer.get("organizationName") or issuer.get("commonName"),
        expires=str(shown["notAfter"]) if "notAfter" in shown else None,
    )
