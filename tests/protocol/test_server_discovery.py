"""The steps of discovery that need no network; `tests/net/test_discovery.py` walks them all."""

import random
from collections import Counter

import pytest

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_discovery import (
    Service,
    Target,
    direct_target,
    failure_seconds,
    parse_well_known,
    service_targets,
    well_known_seconds,
)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("1.2.3.4", Target("1.2.3.4", 8448, "1.2.3.4", "1.2.3.4")),
        ("1.2.3.4:5", Target("1.2.3.4", 5, "1.2.3.4", "1.2.3.4:5")),
        ("[::1]", Target("::1", 8448, "::1", "[::1]")),
        ("[::1]:5", Target("::1", 5, "::1", "[::1]:5")),
        ("A.org:5", Target("A.org", 5, "A.org", "A.org:5")),
        ("a.org", None),
        ("1.2.3.4.5", None),
    ],
)
def test_trap_13_what_a_name_says_by_itself(name: str, target: Target | None) -> None:
    assert direct_target(ServerName(name)) == target


def test_places_come_by_priority_and_among_equals_by_weight() -> None:
    records = [Service(2, 0, 5, "last"), Service(1, 30, 5, "often"), Service(1, 10, 5, "seldom"), Service(0, 0, 5, "")]
    seed = random.Random(5)
    firsts: Counter[str] = Counter()
    for _ in range(2000):
        hosts = [target.host for target in service_targets("a.org", records, lambda highest: seed.randint(0, highest))]
        assert sorted(hosts[:2]) == ["often", "seldom"]
        assert hosts[2:] == ["last"]
        firsts[hosts[0]] += 1
    assert firsts["often"] / firsts["seldom"] == pytest.approx(3, rel=0.2)
    (target,) = service_targets("a.org", [Service(1, 0, 7, "b.org")], lambda _: 0)
    assert target == Target("b.org", 7, "a.org", "a.org")


def test_a_file_names_a_server() -> None:
    assert parse_well_known(b'{"m.server": "b.org:443", "x": 1}') == "b.org:443"
    for body in (b"", b"[]", b"{}", b'{"m.server": null}', b'{"m.server": "a/b"}', b'{"m.server": ""}', b"\xff"):
        with pytest.raises(ValueError, match=r"."):
            parse_well_known(body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 86400),
        ({"Cache-Control": "max-age=3600", "Age": "600"}, 3000),
        ({"Cache-Control": 'max-age="3600"'}, 3600),
        ({"Cache-Control": "max-age=1e9"}, 86400),
        ({"Cache-Control": "max-age=" + "9" * 5000}, 172800),
        ({"Cache-Control": "max-age=-5"}, 86400),
        ({"Cache-Control": "max-age=²"}, 86400),
        ({"Cache-Control": "no-cache, max-age=3600"}, 300),
        ({"Cache-Control": "private", "Expires": "Thu, 01 Jan 1970 01:00:00 GMT"}, 3600),
        ({"Expires": "Thu, 01 Jan 1970 01:00:00"}, 3600),
        ({"Expires": "Thu, 01 Jan 1970 01:00:00 +9999"}, 300),
        ({"Expires": "soon"}, 300),
    ],
)
def test_trap_15_how_long_a_file_holds(headers: dict[str, str], seconds: float) -> None:
    assert well_known_seconds(headers, 0) == seconds


def test_trap_15_failures_are_believed_for_an_hour_at_most() -> None:
    assert [failure_seconds(number) for number in (1, 2, 3, 7, 10_000)] == [60, 120, 240, 3600, 3600]
