"""Server discovery, step by step, as the other server sees it: the place, Host, SNI and the certificate."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.types import AddressSet
from oriz_matrix.net import well_known
from oriz_matrix.net.discovery import Ports
from oriz_matrix.net.errors import NotConnected
from oriz_matrix.net.peers import PeerRequest
from oriz_matrix.protocol.identifiers import ServerName
from tests.support.outside import Outside, Stranger

VERSION = "/_matrix/federation/v1/version"
ASK = PeerRequest(method="GET", uri=VERSION)
WELL_KNOWN = "/.well-known/matrix/server"
NAME = ServerName("a.test")


async def found(world: Outside, server: Stranger, name: str, files: Stranger | None = None) -> tuple[str, str | None]:
    """Host and SNI with which the server is asked by its name; `files` serves the well-known file of a.test."""
    server.answers[VERSION] = {"server": {}}
    reached = await world.reach(ports=Ports(files.port if files else 1, server.port))
    assert await reached.peers.ask(ServerName(name), ASK) == {"server": {}}
    return server.seen[-1][2:]


async def delegating(world: Outside, delegate: str) -> Stranger:
    """The host of a.test, which names a delegate."""
    world.host("a.test")
    files = await world.server("a.test")
    files.answers[WELL_KNOWN] = {"m.server": delegate}
    return files


async def test_step_1_an_ip_literal(world: Outside) -> None:
    server = await world.server("127.0.0.1")
    assert await found(world, server, "127.0.0.1") == ("127.0.0.1", None)
    assert await found(world, server, f"127.0.0.1:{server.port}") == (f"127.0.0.1:{server.port}", None)


async def test_step_2_a_name_with_a_port(world: Outside) -> None:
    world.dns.zone[("a.test", "CNAME")] = ["b.test"]
    world.host("b.test")
    server = await world.server("a.test")
    assert await found(world, server, f"a.test:{server.port}") == (f"a.test:{server.port}", "a.test")
    assert not [kind for _, kind in world.dns.asked if kind == "SRV"]


async def test_step_3_1_a_delegate_that_is_an_ip_literal(world: Outside) -> None:
    server = await world.server("127.0.0.1")
    files = await delegating(world, "127.0.0.1")
    assert await found(world, server, "a.test", files) == ("127.0.0.1", None)
    assert files.seen == [("GET", WELL_KNOWN, f"a.test:{files.port}", "a.test")]


async def test_step_3_2_a_delegate_with_a_port(world: Outside) -> None:
    server = await world.server("b.test")
    world.host("b.test")
    files = await delegating(world, f"b.test:{server.port}")
    assert await found(world, server, "a.test", files) == (f"b.test:{server.port}", "b.test")


@pytest.mark.parametrize("service", ["_matrix-fed", "_matrix"])
async def test_trap_14_steps_3_3_and_3_4_a_delegate_with_srv_records(world: Outside, service: str) -> None:
    server = await world.server("b.test")
    files = await delegating(world, "b.test")
    world.host("c.test")
    world.dns.zone[(f"{service}._tcp.b.test", "SRV")] = [(10, 5, server.port, "c.test")]
    world.dns.zone[("_matrix._tcp.a.test", "SRV")] = [(1, 1, 1, "wrong.test")]
    assert await found(world, server, "a.test", files) == ("b.test", "b.test")


async def test_step_3_5_a_delegate_without_srv_records(world: Outside) -> None:
    server = await world.server("b.test")
    world.host("b.test")
    files = await delegating(world, "b.test")
    assert await found(world, server, "a.test", files) == ("b.test", "b.test")


@pytest.mark.parametrize("service", ["_matrix-fed", "_matrix"])
async def test_trap_14_steps_4_and_5_srv_records_of_the_name_itself(world: Outside, service: str) -> None:
    server = await world.server("a.test")
    world.host("c.test")
    world.dns.zone[(f"{service}._tcp.a.test", "SRV")] = [(10, 5, server.port, "c.test")]
    assert await found(world, server, "a.test") == ("a.test", "a.test")


async def test_step_6_a_name_about_which_nothing_else_is_known(world: Outside) -> None:
    server = await world.server("a.test")
    world.host("a.test")
    assert await found(world, server, "a.test") == ("a.test", "a.test")


async def test_the_registered_service_wins_and_places_are_tried_by_priority(world: Outside) -> None:
    server = await world.server("a.test")
    world.host("c.test")
    world.dns.zone[("_matrix._tcp.a.test", "SRV")] = [(0, 0, 1, "wrong.test")]
    world.dns.zone[("_matrix-fed._tcp.a.test", "SRV")] = [(20, 0, server.port, "c.test"), (10, 0, 1, "c.test")]
    assert await found(world, server, "a.test") == ("a.test", "a.test")


async def test_trap_14_a_certificate_of_the_srv_target_is_no_proof(world: Outside) -> None:
    server = await world.server("c.test")
    world.host("c.test")
    world.dns.zone[("_matrix-fed._tcp.a.test", "SRV")] = [(10, 5, server.port, "c.test")]
    with pytest.raises(NotConnected, match="certificate"):
        await found(world, server, "a.test")
    assert server.seen == []


async def test_a_service_that_is_said_to_be_absent_is_absent(world: Outside) -> None:
    server = await world.server("a.test")
    world.host("a.test")
    world.dns.zone[("_matrix-fed._tcp.a.test", "SRV")] = [(0, 0, 0, ".")]
    with pytest.raises(NotConnected, match="no server"):
        await found(world, server, "a.test")


async def test_dns_that_fails_leads_nowhere_else(world: Outside) -> None:
    server = await world.server("a.test")
    world.host("a.test")
    world.dns.broken.add("_matrix-fed._tcp.a.test")
    with pytest.raises(NotConnected, match="SRV records"):
        await found(world, server, "a.test")


def redirect(location: str) -> Any:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    return answer


async def test_redirections_are_followed(world: Outside) -> None:
    server = await world.server("b.test")
    world.host("b.test")
    world.host("elsewhere.test")
    files = await delegating(world, "unused.test")
    elsewhere = await world.server("elsewhere.test")
    files.answers[WELL_KNOWN] = redirect("/other")
    files.answers["/other"] = redirect(f"https://elsewhere.test:{elsewhere.port}/file?x=1")
    elsewhere.answers["/file"] = {"m.server": f"b.test:{server.port}"}
    assert await found(world, server, "a.test", files) == (f"b.test:{server.port}", "b.test")


async def say(body: bytes, **headers: str) -> web.Response:
    return web.Response(body=body, headers=headers)


HOSTILE: dict[str, Any] = {
    "a loop": redirect(WELL_KNOWN),
    "no https": redirect("http://a.test/file"),
    "a private address": redirect("https://10.0.0.1/"),
    "a private name": redirect("https://private.test/"),
    "no address at all": redirect("https://[::1/"),
    "nowhere": redirect(""),
    "too large": lambda _: say(b'{"m.server": "b.test:1", "x": "' + b"x" * 60_000 + b'"}'),
    "no JSON": lambda _: say(b"<html>"),
    "no object": lambda _: say(b"[]"),
    "no name": lambda _: say(b'{"m.server": "https://b.test"}'),
    "a number": lambda _: say(b'{"m.server": 5}'),
    "nested deep": lambda _: say(b"[" * 40_000),
    "broken gzip": lambda _: say(b"no gzip", **{"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_a_file_that_is_no_use_is_passed_over(world: Outside, answer: Any) -> None:
    server = await world.server("a.test")
    world.host("private.test", "192.168.1.1")
    files = await delegating(world, "unused.test")
    files.answers[WELL_KNOWN] = answer
    assert await found(world, server, "a.test", files) == ("a.test", "a.test")


async def test_a_host_that_says_nothing_holds_up_nobody_for_long(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(well_known, "SECONDS", 0.3)
    server = await world.server("a.test")
    files = await delegating(world, "unused.test")

    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    files.answers[WELL_KNOWN] = drip
    assert await found(world, server, "a.test", files) == ("a.test", "a.test")


@pytest.mark.parametrize(
    ("headers", "hours"),
    [
        ({}, 24),
        ({"Cache-Control": "max-age=7200"}, 2),
        ({"Cache-Control": "public, Max-Age=999999999"}, 48),
        ({"Cache-Control": "no-store"}, 1 / 12),
        ({"Cache-Control": "max-age=0"}, 1 / 12),
        ({"Expires": "Tue, 14 Nov 2023 23:13:20 GMT"}, 1),
        ({"Expires": "0"}, 1 / 12),
    ],
)
async def test_trap_15_a_file_holds_as_long_as_its_headers_say(
    world: Outside, headers: dict[str, str], hours: float
) -> None:
    clock = FakeClock()  # it is 22:13:20
    world.dns.ttl = 1_000_000
    files = await delegating(world, "127.0.0.1:1")
    files.answers[WELL_KNOWN] = lambda _: say(b'{"m.server": "127.0.0.1:1"}', **headers)
    reached = await world.reach(ports=Ports(files.port), clock=clock)
    await reached.discovery.resolve(NAME)
    await clock.advance(hours * 3600 - 1)
    await reached.discovery.resolve(NAME)
    assert len(files.seen) == 1
    await clock.advance(2)
    await reached.discovery.resolve(NAME)
    assert len(files.seen) == 2


async def test_trap_15_failures_are_believed_for_longer_each_time_up_to_an_hour(world: Outside) -> None:
    clock = FakeClock()
    files = await delegating(world, "unused")
    files.answers.clear()
    reached = await world.reach(ports=Ports(files.port), clock=clock)
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        asked = len(files.seen)
        for _ in range(2):
            await reached.discovery.resolve(NAME)
        assert len(files.seen) == asked + 1
        await clock.advance(minutes * 60 - 1)
        await reached.discovery.resolve(NAME)
        assert len(files.seen) == asked + 1
        await clock.advance(2)


async def test_trap_15_srv_records_do_not_outlive_the_file(world: Outside) -> None:
    clock = FakeClock()
    world.dns.ttl = 1_000_000
    files = await delegating(world, "b.test")
    world.dns.zone[("_matrix-fed._tcp.b.test", "SRV")] = [(1, 1, 5, "old.test")]
    files.answers[WELL_KNOWN] = lambda _: say(b'{"m.server": "b.test"}', **{"Cache-Control": "max-age=300"})
    reached = await world.reach(ports=Ports(files.port), clock=clock)
    assert (await reached.discovery.resolve(NAME)).targets[0].host == "old.test"
    files.answers[WELL_KNOWN] = {"m.server": "new.test:7"}
    await clock.advance(301)
    assert (await reached.discovery.resolve(NAME)).targets[0].host == "new.test"


async def test_a_good_delegate_outlives_an_outage_but_not_its_end(world: Outside) -> None:
    clock = FakeClock()
    files = await delegating(world, "127.0.0.1:1")
    reached = await world.reach(ports=Ports(files.port), clock=clock)
    assert (await reached.discovery.resolve(NAME)).targets[0].port == 1

    async def broken(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=502)

    files.answers[WELL_KNOWN] = broken
    await clock.advance(25 * 3600)
    assert (await reached.discovery.resolve(NAME)).targets[0].port == 1
    await clock.advance(24 * 3600)
    assert (await reached.discovery.resolve(NAME)).targets[0].port == 8448
    files.answers[WELL_KNOWN] = {"m.server": "127.0.0.1:2"}
    await clock.advance(3600)
    assert (await reached.discovery.resolve(NAME)).targets[0].port == 2
    files.answers.clear()
    await clock.advance(25 * 3600)
    assert (await reached.discovery.resolve(NAME)).targets[0].port == 8448


async def test_a_place_where_nobody_is_any_more_is_looked_for_again(world: Outside) -> None:
    clock = FakeClock()
    server = await world.server("b.test")
    server.answers[VERSION] = {}
    world.host("b.test")
    files = await delegating(world, "b.test:1")
    reached = await world.reach(ports=Ports(files.port), clock=clock)
    for _ in range(2):
        with pytest.raises(NotConnected):
            await reached.peers.ask(NAME, ASK)
    assert len(files.seen) == 1
    files.answers[WELL_KNOWN] = {"m.server": f"b.test:{server.port}"}
    await clock.advance(301)
    assert await reached.peers.ask(NAME, ASK) == {}


async def test_those_who_ask_at_the_same_time_ask_together(world: Outside) -> None:
    files = await delegating(world, "127.0.0.1:1")
    reached = await world.reach(ports=Ports(files.port))
    await asyncio.gather(*(reached.discovery.resolve(NAME) for _ in range(20)))
    assert len(files.seen) == 1


@pytest.mark.parametrize("way", ["name", "literal", "SRV", "IPv6"])
async def test_no_way_leads_to_a_forbidden_address(world: Outside, way: str) -> None:
    server = await world.server("127.0.0.1", "a.test", "c.test")
    world.host("a.test")
    if way == "SRV":
        world.dns.zone[("_matrix-fed._tcp.a.test", "SRV")] = [(10, 5, server.port, "a.test")]
    names = {"name": f"a.test:{server.port}", "literal": f"127.0.0.1:{server.port}", "SRV": "a.test"}
    name = names.get(way, f"[::ffff:127.0.0.1]:{server.port}")
    reached = await world.reach(world.settings(allowed_addresses=AddressSet()))
    with pytest.raises(NotConnected, match="forbidden"):
        await reached.peers.ask(ServerName(name), ASK)
    assert server.seen == []
