"""Where the server listens: addresses and sockets, TLS, and which proxies are believed."""

from enum import Enum
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from oriz_matrix.base.config.types import AddressSet, Port, Section


class Surface(Enum):
    """A part of the server that a listener can offer."""

    CLIENT = "client"
    FEDERATION = "federation"
    METRICS = "metrics"


class Tls(Section, frozen=True, kw_only=True):
    """Makes the listener speak HTTPS itself, where no proxy does."""

    certificate: Annotated[Path, Meta(description="The certificate and its chain, in PEM.", examples=["fullchain.pem"])]
    key: Annotated[Path, Meta(description="The private key of the certificate, in PEM.", examples=["privkey.pem"])]


class Listener(Section, frozen=True, kw_only=True):
    """One address, or one Unix socket, at which requests are taken: give either `port` or `socket`."""

    address: Annotated[
        str,
        Meta(
            min_length=1,
            description="The IP address to listen at; `0.0.0.0` or `::` means all of the host. Unused with `socket`.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        Port | None,
        Meta(description="The TCP port; 0 takes any that is free and logs which.", examples=[8008]),
    ] = None
    socket: Annotated[
        Path | None,
        Meta(description="The path of a Unix socket instead of an address.", examples=["/run/oriz/client.sock"]),
    ] = None
    mode: Annotated[
        str,
        Meta(
            pattern=r"^0?[0-7]{3}\Z",
            description="Who may open the Unix socket.",
            extra={"expected": 'an octal file mode in quotes, such as "660"'},
        ),
    ] = "660"
    tls: Annotated[
        Tls | None,
        Meta(
            description="Speak HTTPS with this certificate; without it, plain HTTP.",
            examples=[{"certificate": "fullchain.pem", "key": "privkey.pem"}],
        ),
    ] = None
    surfaces: Annotated[
        tuple[Surface, ...],
        Meta(
            min_length=1,
            description=(
                "What is served here: `client` (apps, bots and the pages for people), `federation` (other servers), "
                "`metrics` (Prometheus at `/metrics`; for eyes inside only)."
            ),
        ),
    ] = (Surface.CLIENT, Surface.FEDERATION)
    trusted_proxies: Annotated[
        AddressSet,
        Meta(
            description=(
                "Networks whose `X-Forwarded-For` is believed, because only your own reverse proxies live there. "
                "On a Unix socket the header is always believed."
            ),
            examples=[["127.0.0.1", "::1"]],
        ),
    ] = AddressSet()

    @property
    def mode_bits(self) -> int:
        """`mode` as a number, for chmod."""
        return int(self.mode, 8)
