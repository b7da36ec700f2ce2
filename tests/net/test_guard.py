"""The addresses that are forbidden by default, in all their disguises."""

import pytest

from oriz_matrix.base.config.federation import PRIVATE_NETWORKS
from oriz_matrix.base.config.types import AddressSet
from oriz_matrix.net.guard import Guard

DEFAULT = Guard(PRIVATE_NETWORKS, AddressSet())


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1",
        "fc00::1", "fdff::1", "fe80::1", "fe80::1%eth0", "ff02::1", "2001:db8::1", "::ffff:10.0.0.1",
        "::ffff:7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "2002:0a00:0001::1", "2002:7f00:1::",
        "2001:0:1::1", "a.org", "", "127.1", "0x7f.1", "2130706433", "[::1]",
    ],
)  # fmt: skip
def test_what_is_inside_is_forbidden(address: str) -> None:
    assert not DEFAULT.permits(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::1.1.1.1", "2002:101:101::1"]
)
def test_what_is_outside_is_permitted(address: str) -> None:
    assert DEFAULT.permits(address)


def test_what_the_operator_allows_counts_first() -> None:
    guard = Guard(PRIVATE_NETWORKS, AddressSet(["10.1.0.0/16", "::1"]))
    assert [guard.permits(each) for each in ("10.1.2.3", "10.2.0.1", "::1", "::ffff:10.1.2.3")] == [
        True, False, True, True,
    ]  # fmt: skip
