"""How this server talks with others."""

from typing import Annotated

from msgspec import Meta

from oriz_matrix.base.config.types import AddressSet, Section

# What a public server has no business to reach: IANA's special-purpose registries for IPv4 and IPv6.
PRIVATE_ADDRESSES = AddressSet(
    (
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
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


class Federation(Section, frozen=True, kw_only=True):
    """Whether and with whom this server shares rooms."""

    enabled: Annotated[bool, Meta(description="Whether other servers are spoken to at all.")] = True
    verify_certificates: Annotated[
        bool, Meta(description="Whether other servers must show a valid certificate. Off only for tests.")
    ] = True
    forbidden_addresses: Annotated[
        AddressSet,
        Meta(
            description=(
                "Networks that are never connected to, whatever name points there, so that nobody can make this server "
                "reach into your own network. A list here replaces the default; an empty one allows all."
            )
        ),
    ] = PRIVATE_ADDRESSES
    allowed_servers: Annotated[
        tuple[str, ...] | None,
        Meta(
            description=(
                "The only servers to speak with, as patterns with `*` and `?`. Without it: all that are not denied."
            ),
            examples=[["example.com", "*.example.com"]],
        ),
    ] = None
    denied_servers: Annotated[
        tuple[str, ...],
        Meta(description="Servers never to speak with, as patterns; stronger than `allowed_servers`."),
    ] = ()
