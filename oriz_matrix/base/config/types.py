"""The kinds of values that options have beside plain numbers and words: sections, secrets, sets of addresses.

Nothing here reads a file; `load.py` turns YAML into these, `sample.py` describes them.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of options. Its docstring opens its chapter of the reference, `Meta(description=...)` says the fields."""


class Secret:
    """A text that must not be printed by accident: `repr` and `str` hide it, `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class AddressSet:
    """A set of IP addresses, written as networks: `AddressSet(["10.0.0.0/8", "::1"])`, asked with `in`.

    Raises ValueError for a text that is no address and no network. An IPv4 address inside IPv6 (`::ffff:10.0.0.1`)
    counts as the IPv4 address that it carries.
    """

    __slots__ = ("_networks", "texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = tuple(texts)
        self._networks = tuple(ip_network(text) for text in self.texts)

    def __contains__(self, address: str | IPv4Address | IPv6Address) -> bool:
        """Whether the address lies in one of the networks; a text that is no address lies in none."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(
            parsed in network for network in self._networks if isinstance(network, IPv6Network) == (parsed.version == 6)
        )

    def __repr__(self) -> str:
        return f"AddressSet({list(self.texts)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddressSet) and other._networks == self._networks

    def __hash__(self) -> int:
        return hash(self._networks)


Count = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
