"""Server access control lists."""

from typing import Any

import pytest

from oriz_matrix.protocol.acl import ServerAcl
from oriz_matrix.protocol.identifiers import ServerName

EVERYONE = {"allow": ["*"]}


def allows(content: dict[str, Any] | None, server: str) -> bool:
    return ServerAcl(content).allows(ServerName(server))


@pytest.mark.parametrize("server", ["home.org", "evil.com:8448", "1.2.3.4", "[::1]:80"])
def test_a_room_without_a_list_is_open(server: str) -> None:
    assert allows(None, server)


@pytest.mark.parametrize(
    "content", [{}, {"deny": []}, {"allow": []}, {"allow": None}, {"allow": "*"}, {"allow": [None, 5, {}]}]
)
def test_trap_16_without_a_usable_allow_nobody_may(content: dict[str, Any]) -> None:
    assert not allows(content, "home.org")


@pytest.mark.parametrize("server", ["evil.com", "evil.com:8448", "evil.com:1234", "EVIL.com", "sub.Evil.Com:1"])
def test_trap_16_ports_and_case_do_not_matter(server: str) -> None:
    assert not allows({**EVERYONE, "deny": ["evil.COM", "*.evil.com"]}, server)
    assert allows({"allow": ["EVIL.com", "*.evil.com"]}, server)


def test_trap_16_deny_goes_before_allow() -> None:
    assert not allows({"allow": ["evil.com"], "deny": ["evil.com"]}, "evil.com")
    assert allows({**EVERYONE, "deny": "evil.com"}, "evil.com")
    assert allows({**EVERYONE, "deny": [5, None]}, "evil.com")


@pytest.mark.parametrize(
    ("glob", "server", "matches"),
    [
        ("*", "a.org", True),
        ("*.org", "a.org", True),
        ("*.org", "a.org.uk", False),
        ("?.org", "a.org", True),
        ("?.org", "ab.org", False),
        ("a.b", "axb", False),
        ("a*c?e", "abbbcde", True),
        ("[ab].org", "a.org", False),
        ("", "a.org", False),
        ("a.org:8448", "a.org:8448", False),
        ("[::1]", "[::1]:8448", True),
        ("1.2.3.*", "1.2.3.4:80", True),
    ],
)
def test_patterns_are_globs_over_the_whole_host(glob: str, server: str, matches: bool) -> None:
    assert allows({"allow": [glob]}, server) is matches
    assert allows({**EVERYONE, "deny": [glob]}, server) is not matches


@pytest.mark.parametrize("server", ["1.2.3.4", "1.2.3.4:80", "[::1]", "[2001:db8::1]:8448"])
@pytest.mark.parametrize(("value", "open_"), [(False, False), (True, True), (None, True), ("false", True), (0, True)])
def test_trap_16_address_literals_may_be_shut_out(server: str, value: Any, open_: bool) -> None:
    assert allows({**EVERYONE, "allow_ip_literals": value}, server) is open_
    assert allows({**EVERYONE, "allow_ip_literals": value}, "1.2.3.4.example.org")


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not allows({"allow": ["*a" * 200 + "b"]}, "a" * 250)
