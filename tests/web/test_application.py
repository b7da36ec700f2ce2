"""Listeners, pages, metrics and log lines."""

import asyncio
import io
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog
import trustme
from aiohttp import ClientSession, TCPConnector, UnixConnector

from oriz_matrix.api import pages
from oriz_matrix.base.config.listeners import Listener, Surface, Tls
from oriz_matrix.base.logging import add_context, configure
from oriz_matrix.base.metrics import Metrics, watch_loop
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call, UserCall
from oriz_matrix.web.endpoint import CLIENT_V3, Auth
from tests.web.serving import Setting, Start, run, send_and_leave

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
if find_spec("uvloop") is not None:
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


@endpoint.get("/rooms/{room_id}", versions=CLIENT_V3, auth=Auth.USER)
async def room(_call: UserCall, room_id: str) -> dict[str, str]:
    add_context(room=room_id)
    return {}


@endpoint.get("/whence", versions=CLIENT_V3, auth=Auth.NONE)
async def whence(call: Call) -> dict[str, str]:
    return {"ip": call.ip}


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON; the process's logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure("json", "info", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_each_request_leaves_one_line_with_its_context_and_no_token(start: Start, log: io.StringIO) -> None:
    server = await start(room)
    answer = await server.client.get("/_matrix/client/v3/rooms/!a:b?access_token=alice")
    logging.getLogger("some.library").warning("from %s", "elsewhere")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    line, foreign = lines
    assert (line["method"], line["status"], line["path"]) == ("GET", 200, "/_matrix/client/v3/rooms/!a:b")
    assert (line["user"], line["room"]) == ("@alice:example.org", "!a:b")
    assert line["request"] == answer.headers["X-Request-Id"]
    assert "access_token" not in log.getvalue()
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("from elsewhere", "some.library", "warning")


async def test_a_fault_leaves_its_traceback_under_the_requests_id(start: Start, log: io.StringIO) -> None:
    @endpoint.get("/fault", versions=CLIENT_V3, auth=Auth.NONE)
    async def fault(_call: Call) -> dict[str, str]:
        secret = "of the inside"
        raise RuntimeError(len(secret))

    server = await start(fault)
    answer = await server.client.get("/_matrix/client/v3/fault")
    line = json.loads(log.getvalue().splitlines()[0])
    assert (answer.status, line["level"], line["request"]) == (500, "error", answer.headers["X-Request-Id"])
    assert "RuntimeError: 13" in line["exception"]


async def test_lines_for_people_are_text(log: io.StringIO) -> None:
    configure("text", "info", log)
    structlog.get_logger("x").info("hello", number=1)
    structlog.get_logger("x").debug("unheard")
    assert "hello" in log.getvalue()
    assert "number=1" in log.getvalue()
    assert "unheard" not in log.getvalue()


async def test_health_and_metrics() -> None:
    metrics = Metrics()
    both = Listener(port=0, surfaces=(Surface.CLIENT, Surface.METRICS))
    server = await run([*pages.operations(metrics, yes), endpoint.of(whence)], Setting(both))
    assert (await server.client.get("/health")).status == 200
    answer = await server.client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "oriz_requests_in_flight" in await answer.text()
    await server.close()


async def test_an_unhealthy_server_says_so_and_a_public_listener_has_no_metrics() -> None:
    server = await run(pages.operations(Metrics(), no), Setting(Listener(port=0)))
    assert (await server.client.get("/health")).status == 503
    assert (await server.client.get("/metrics")).status == 404
    await server.close()


@pytest.mark.parametrize(
    ("url", "delegate"),
    [("https://matrix.example.org", "matrix.example.org:443"), ("https://[::1]:8448", "[::1]:8448")],
)
async def test_well_known_uris(url: str, delegate: str) -> None:
    server = await run(pages.well_known(url), Setting(Listener(port=0)))
    answer = await server.client.get("/.well-known/matrix/client")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert await answer.json() == {"m.homeserver": {"base_url": url}}
    assert await (await server.client.get("/.well-known/matrix/server")).json() == {"m.server": delegate}
    await server.close()


async def test_requests_are_counted_by_template(start: Start) -> None:
    server = await start(room, whence)
    for path in ("/rooms/!a:b", "/rooms/!c:d", "/unknown", "/whence"):
        await server.client.get(f"/_matrix/client/v3{path}")
    value = server.metrics.registry.get_sample_value
    room_labels = {"method": "GET", "endpoint": "/_matrix/client/rooms/{room_id}"}
    assert value("oriz_requests_total", {**room_labels, "status": "401"}) == 2
    assert value("oriz_request_seconds_count", room_labels) == 2
    assert value("oriz_requests_total", {"method": "unknown", "endpoint": "unknown", "status": "404"}) == 1
    assert value("oriz_requests_in_flight") == 0


async def test_the_loops_lag_is_measured() -> None:
    metrics = Metrics()
    watch = asyncio.create_task(watch_loop(metrics, 0.01))
    await asyncio.sleep(0.1)
    watch.cancel()
    assert metrics.registry.get_sample_value("oriz_loop_lag_seconds_count")


async def test_a_unix_socket_has_its_mode_and_believes_its_proxy(tmp_path: Path) -> None:
    path = tmp_path / "client.sock"
    server = await run([endpoint.of(whence)], Setting(Listener(socket=path, mode="600")))
    assert path.stat().st_mode & 0o777 == 0o600
    assert server.application.addresses == [str(path)]
    async with ClientSession(connector=UnixConnector(str(path))) as client:
        answer = await client.get("http://x/_matrix/client/v3/whence", headers={"X-Forwarded-For": "1.2.3.4"})
        assert await answer.json() == {"ip": "1.2.3.4"}
    await server.close()


async def test_a_listener_with_a_certificate_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    server = await run([endpoint.of(whence)], Setting(Listener(port=0, tls=Tls(certificate=certificate, key=key))))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    port = server.application.addresses[0].split(":")[1]
    async with ClientSession(connector=TCPConnector(ssl=trust)) as client:
        answer = await client.get(f"https://localhost:{port}/_matrix/client/v3/whence")
        assert answer.status == 200
    await server.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_any_event_loop_will_do(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_answer_cancel_and_drain())


async def _answer_cancel_and_drain() -> None:
    cancelled = asyncio.Event()

    @endpoint.get("/sync", versions=CLIENT_V3, auth=Auth.NONE, cancellable=True)
    async def sync(_call: Call) -> dict[str, str]:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return {}

    server = await run([endpoint.of(whence), endpoint.of(sync)], Setting())
    assert (await server.client.get("/_matrix/client/v3/whence")).status == 200
    await send_and_leave(server.base_url, b"GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(cancelled.wait(), 2)
    waiting = asyncio.create_task(server.client.get("/_matrix/client/v3/sync").__aenter__())
    await asyncio.sleep(0.1)
    await server.application.drain(2)
    assert (await waiting).status == 503
    await server.client.close()
