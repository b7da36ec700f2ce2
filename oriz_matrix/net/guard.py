"""Which addresses may be connected to: nobody outside may make this server ask others inside its own network.

A server's name, its well-known file, its SRV records and their redirections are all chosen by strangers. So the rule is
applied where none of them can be forgotten: to the address itself, when a socket is made for it.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from oriz_matrix.base.config.types import AddressSet

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, to which the network will carry the packets."""


class AddressForbidden(OSError):
    """The operator allows no connection to this address."""


class Guard:
    """The operator's rules for addresses; what is allowed counts before what is forbidden."""

    def __init__(self, forbidden: AddressSet, allowed: AddressSet) -> None:
        self._forbidden = forbidden
        self._allowed = allowed

    def permits(self, address: str) -> bool:
        """Whether an IP address may be connected to; what is no address may not."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        meant = [parsed, *_carried(parsed)]
        return all(each in self._allowed or each not in self._forbidden for each in meant)

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """For `aiohttp.TCPConnector`: the socket for an entry of `getaddrinfo`. Raises AddressForbidden."""
        family, kind, protocol, _, address = info
        if not self.permits(address[0]):
            raise AddressForbidden(f"connections to {address[0]} are forbidden")
        return socket.socket(family, kind, protocol)


def _carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 address that an IPv6 address of a transition mechanism leads to."""
    if not isinstance(address, IPv6Address):
        return []
    found = [address.sixtofour] if address.sixtofour else []
    return [*found, IPv4Address(int(address) & 0xFFFFFFFF)] if address in NAT64 else found
