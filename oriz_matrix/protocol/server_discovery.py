"""From a server's name to where it is reached: the steps of server discovery that need no network.

`net/discovery.py` walks them in order. Source: server-server API, "Resolving server names"; RFC 2782 for SRV records.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from oriz_matrix.protocol.canonical import decode_strict
from oriz_matrix.protocol.errors import MatrixError
from oriz_matrix.protocol.identifiers import ServerName, is_ip_literal, is_server_name, split_server_name

FEDERATION_PORT = 8448
WELL_KNOWN_PATH = "/.well-known/matrix/server"

SHORTEST_SECONDS = 300
"""A file of a fleeting server, or of one with clumsy headers, is not asked for with each request."""
USUAL_SECONDS = 24 * 3600
LONGEST_SECONDS = 48 * 3600
FIRST_FAILURE_SECONDS = 60
LONGEST_FAILURE_SECONDS = 3600


class Target(msgspec.Struct, frozen=True):
    """A place where a server is reached.

    host: a DNS name, or an IP address without brackets. tls_name: whose certificate it must show; where this is a DNS
    name, it is sent as SNI. http_host: the header Host.
    """

    host: str
    port: int
    tls_name: str
    http_host: str


class Service(msgspec.Struct, frozen=True):
    """One SRV record; `target` has no dot at its end and is empty where the service is said to be absent."""

    priority: int
    weight: int
    port: int
    target: str


def direct_target(name: ServerName, default_port: int = FEDERATION_PORT) -> Target | None:
    """Steps 1 and 2, and 3.1 and 3.2 for a delegated name: an IP literal, or a name with its port. Else None."""
    host, port = split_server_name(name)
    if port is None and not is_ip_literal(host):
        return None
    bare = host.strip("[]")
    return Target(bare, default_port if port is None else port, bare, name)


def parse_well_known(body: bytes) -> ServerName:
    """The delegated name in a well-known file. Raises ValueError, which says what is wrong with the file."""
    try:
        content = decode_strict(body)
    except MatrixError as error:
        raise ValueError(error.message) from None
    name = content.get("m.server") if isinstance(content, dict) else None
    if not isinstance(name, str) or not is_server_name(name):
        raise ValueError("m.server is no server name")
    return ServerName(name)


def well_known_seconds(headers: Mapping[str, str], now_s: float) -> float:
    """How long a good well-known file holds, by its headers; from five minutes to two days."""
    return min(max(_said_seconds(headers, now_s), SHORTEST_SECONDS), LONGEST_SECONDS)


def failure_seconds(failures: int) -> float:
    """How long the absence of a well-known file is believed after so many failures in a row."""
    doubled: float = FIRST_FAILURE_SECONDS * 2 ** min(failures - 1, 16)
    return min(doubled, LONGEST_FAILURE_SECONDS)


def service_names(host: str) -> tuple[str, str]:
    """Where SRV records are looked for, the registered name first."""
    return f"_matrix-fed._tcp.{host}", f"_matrix._tcp.{host}"


def service_targets(host: str, records: Iterable[Service], draw: Callable[[int], int]) -> tuple[Target, ...]:
    """Steps 3.3, 3.4, 4 and 5: the places in the order in which they are tried.

    The certificate and Host are of `host`, not of the record's target, because anybody may forge DNS (traps.md 14).
    `draw(n)` gives a random integer from 0 to n, both included.
    """
    ordered = _by_weight([record for record in records if record.target and record.port], draw)
    return tuple(Target(record.target, record.port, host, host) for record in ordered)


def usual_target(host: str, port: int = FEDERATION_PORT) -> Target:
    """Steps 3.5 and 6: a name about which nothing else is known."""
    return Target(host, port, host, host)


def _by_weight(records: Sequence[Service], draw: Callable[[int], int]) -> list[Service]:
    """RFC 2782: by priority; among equals at random, in proportion to their weights."""
    ordered = []
    for priority in sorted({record.priority for record in records}):
        left = sorted((record for record in records if record.priority == priority), key=lambda each: each.weight)
        while left:
            mark = draw(sum(record.weight for record in left))
            for record in left:
                mark -= record.weight
                if mark <= 0:
                    break
            left.remove(record)
            ordered.append(record)
    return ordered


def _said_seconds(headers: Mapping[str, str], now_s: float) -> float:
    """RFC 9111: Cache-Control counts before Expires."""
    directives = [part.strip().lower() for part in headers.get("Cache-Control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0
    for directive in directives:
        name, _, value = directive.partition("=")
        digits = value.strip('"')
        if name == "max-age" and digits.isascii() and digits.isdigit():
            return float(digits[:12]) - _age(headers)
    return _until_expiry(headers, now_s)


def _age(headers: Mapping[str, str]) -> float:
    age = headers.get("Age", "")
    return float(age[:12]) if age.isascii() and age.isdigit() else 0


def _until_expiry(headers: Mapping[str, str], now_s: float) -> float:
    if "Expires" not in headers:
        return USUAL_SECONDS
    try:
        moment = parsedate_to_datetime(headers["Expires"])
    except ValueError:
        return 0  # RFC 9111, section 5.3: what is malformed has expired
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s
