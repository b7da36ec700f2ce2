"""How this server talks with other servers: with which, over which addresses, and what it believes of them."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from oriz_matrix.base.config.types import AddressSet, Secret, Section

Seconds = Annotated[float, Meta(ge=0.1, le=3600)]

PRIVATE_NETWORKS = AddressSet(
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/127",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ]
)
"""What is not reached over the open Internet (the registries of RFC 6890)."""


class Federation(Section, frozen=True, kw_only=True):
    """How this server talks with other servers. What is forbidden here is forbidden in both directions."""

    enabled: Annotated[
        bool, Meta(description="Whether this server talks with others, so that its users share rooms with theirs.")
    ] = True
    allowed_servers: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "The servers that this one talks with, by their names without ports; `*` stands for any characters, "
                "`?` for one."
            ),
            examples=[["*.example.org"]],
        ),
    ] = ("*",)
    denied_servers: Annotated[
        tuple[str, ...],
        Meta(description="Servers that it does not talk with, though they are allowed.", examples=[["*.example.net"]]),
    ] = ()
    forbidden_addresses: Annotated[
        AddressSet,
        Meta(
            description=(
                "Networks to which no connection is made, whatever a server's name leads to: nobody outside shall make "
                "this server ask yours."
            ),
        ),
    ] = PRIVATE_NETWORKS
    allowed_addresses: Annotated[
        AddressSet,
        Meta(
            description="Networks that may be connected to though they are forbidden.",
            examples=[["10.1.0.0/16"]],
        ),
    ] = AddressSet()
    verify_certificates: Annotated[
        bool,
        Meta(description="Whether other servers must prove their names by certificates. Off only for tests."),
    ] = True
    ca_files: Annotated[
        tuple[Path, ...],
        Meta(
            description="Certificates of authorities that are trusted beside those of the system, in PEM.",
            examples=[["our-ca.pem"]],
        ),
    ] = ()
    trusted_notaries: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Servers that are asked, in this order, for the keys of a server that does not answer itself; they are "
                "believed what they sign."
            ),
            examples=[["example.com"]],
        ),
    ] = ()
    connect_seconds: Annotated[
        Seconds, Meta(description="How long a connection may take to be made, with its certificate checked.")
    ] = 10.0
    request_seconds: Annotated[
        Seconds,
        Meta(description="How long another server may take for an ordinary request, its answer included."),
    ] = 60.0
    proxy: Annotated[
        Secret | None,
        Meta(
            description=(
                "The HTTP proxy through which other servers are reached; secret because it can hold a password. The "
                "proxy looks up their addresses, so it must also refuse forbidden ones."
            ),
            examples=["http://proxy.example.org:3128"],
        ),
    ] = None
    proxy_file: Annotated[
        Path | None, Meta(description="A file that holds `proxy`.", examples=["/run/secrets/oriz-proxy"])
    ] = None
