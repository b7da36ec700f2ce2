"""Paths, methods, CORS, errors and cancellation, as a client sees them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from oriz_matrix.protocol.errors import Forbidden, LimitExceeded
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import ADMIN, CLIENT_R0_V3, CLIENT_V3, Auth
from oriz_matrix.web.responses import Answer, Stream
from tests.web.serving import Setting, Start, raw, raw_get, run, send_and_leave, trusting

ROOM = "/_matrix/client/v3/rooms/!room:example.org"


@endpoint.get("/rooms/{room_id}/state/{event_type}/{state_key?}", versions=CLIENT_R0_V3, auth=Auth.NONE)
async def get_state(_call: Call, room_id: RoomId, event_type: str, state_key: str) -> dict[str, str]:
    return {"room": room_id, "type": event_type, "key": state_key}


@endpoint.get("/pushrules/", versions=CLIENT_V3, auth=Auth.NONE, unstable=("/org.example.rules/{scope}/",))
async def get_rules(_call: Call) -> dict[str, str]:
    return {}


@endpoint.get("/profile/{user_id}/avatar_url", versions=CLIENT_V3, auth=Auth.NONE)
async def get_avatar(_call: Call, user_id: str) -> dict[str, str]:
    return {"avatar of": user_id}


@endpoint.put("/profile/{user_id}/{name}", versions=CLIENT_V3, auth=Auth.NONE)
async def put_field(_call: Call, user_id: str, name: str) -> dict[str, str]:
    return {"set": name}


@endpoint.post("/_synapse/admin/v1/media/protect/{media_id}", auth=Auth.NONE, surface=ADMIN)
async def protect(_call: Call, media_id: str) -> dict[str, str]:
    return {"protected": media_id}


@endpoint.delete("/_synapse/admin/v1/media/{server_name}/{media_id}", auth=Auth.NONE, surface=ADMIN)
async def remove(_call: Call, server_name: str, media_id: str) -> dict[str, str]:
    return {"removed": media_id, "from": server_name}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/state/m.room.name", {"type": "m.room.name", "key": ""}),
        ("/state/m.room.name/", {"type": "m.room.name", "key": ""}),
        ("/state/m.room.member/%40a:example.org", {"type": "m.room.member", "key": "@a:example.org"}),
        ("/state/a%2Fb/%C3%A9%2520", {"type": "a/b", "key": "é%20"}),
    ],
)
async def test_path_parameters_are_decoded_once(start: Start, path: str, expected: dict[str, str]) -> None:
    server = await start(get_state)
    answer = await raw_get(server.base_url, ROOM + path)
    assert answer == (200, {"room": "!room:example.org", **expected})


@pytest.mark.parametrize("path", ["/state/%FF", "/state/%00", "/state/a%ED%A0%80b", "/state/a%C3"])
async def test_a_path_that_is_not_text_is_refused(start: Start, path: str) -> None:
    server = await start(get_state)
    status, body = await raw_get(server.base_url, ROOM + path)
    assert (status, body["errcode"]) == (400, "M_INVALID_PARAM")
    assert "event_type" in body["error"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (ROOM.encode() + b"/state/\xff", b"400"),
        (b"/\xff/\xfe", b"400"),
        (ROOM.encode() + b"/state/a?\xff", b"400"),
        (b"http://other.example.org" + ROOM.encode() + b"/state/a", b"200"),
        (b"*", b"400"),
    ],
)
async def test_a_strange_target_is_no_fault(start: Start, target: bytes, status: bytes) -> None:
    server = await start(get_state)
    head, _ = await raw(server.base_url, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert head.split()[1] == status


async def test_an_identifier_in_the_path_is_checked(start: Start) -> None:
    server = await start(get_state)
    status, body = await raw_get(server.base_url, "/_matrix/client/v3/rooms/room/state/m.room.name")
    assert (status, body["errcode"]) == (400, "M_INVALID_PARAM")
    assert "room_id" in body["error"]


@pytest.mark.parametrize(
    "path", ["/_matrix/client/v3/pushrules", "/_matrix/client/v3/pushrules/", "/_matrix/client/r0/rooms/!a:b/state/x"]
)
async def test_slashes_and_versions(start: Start, path: str) -> None:
    server = await start(get_rules_only, get_state)
    assert (await server.client.get(path)).status == 200


@endpoint.get("/pushrules/", versions=CLIENT_V3, auth=Auth.NONE)
async def get_rules_only(_call: Call) -> dict[str, str]:
    return {}


@endpoint.get("/things", versions=CLIENT_V3, auth=Auth.NONE, unstable=("/org.example.msc1/things",))
async def get_things(_call: Call) -> dict[str, str]:
    return {}


async def test_unstable_paths_lead_to_the_same_function(start: Start) -> None:
    server = await start(get_things)
    assert (await server.client.get("/_matrix/client/unstable/org.example.msc1/things")).status == 200


def test_the_declarations_of_a_module_are_found_in_their_order() -> None:
    found = [one.path for one in endpoint.declared(sys.modules[__name__])]
    assert found[0] == "/rooms/{room_id}/state/{event_type}/{state_key?}"
    assert found.index("/things") < found.index("/fail/{how}")


def test_a_function_that_does_not_fit_its_path_is_refused_at_start() -> None:
    with pytest.raises(TypeError, match="arguments"):
        asyncio.run(run([endpoint.of(get_rules)], Setting()))


async def test_a_fixed_segment_does_not_hide_what_a_parameter_offers(start: Start) -> None:
    server = await start(get_avatar, put_field, protect, remove)
    assert await (await server.client.get("/_matrix/client/v3/profile/x/avatar_url")).json() == {"avatar of": "x"}
    assert await (await server.client.put("/_matrix/client/v3/profile/x/avatar_url")).json() == {"set": "avatar_url"}
    media = "/_synapse/admin/v1/media/protect/abc"
    assert await (await server.client.post(media)).json() == {"protected": "abc"}
    assert await (await server.client.delete(media)).json() == {"removed": "abc", "from": "protect"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/_matrix/client/v3/unknown", 404),
        ("GET", "/_matrix/client/v9/things", 404),
        ("GET", "/_matrix/client/v3/things/more", 404),
        ("GET", "/_matrix/client/v3/things/", 404),
        ("POST", "/_matrix/client/v3/things", 405),
        ("PATCH", "/_matrix/client/v3/things", 405),
    ],
)
async def test_what_is_not_known_is_unrecognized(start: Start, method: str, path: str, status: int) -> None:
    server = await start(get_things)
    answer = await server.client.request(method, path)
    assert (answer.status, (await answer.json())["errcode"]) == (status, "M_UNRECOGNIZED")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_cors_is_answered_without_asking_the_function(start: Start) -> None:
    server = await start(get_things)
    for path in ("/_matrix/client/v3/things", "/_matrix/client/v3/unknown"):
        answer = await server.client.options(path)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


async def test_head_is_get_without_the_body(start: Start) -> None:
    server = await start(get_things)
    answer = await server.client.head("/_matrix/client/v3/things")
    assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "2", b"")


@endpoint.get("/fail/{how}", versions=CLIENT_V3, auth=Auth.NONE)
async def fail(_call: Call, how: str) -> Answer:
    if how == "forbidden":
        raise Forbidden("Not you")
    if how == "limited":
        raise LimitExceeded(1500)
    if how == "answer":
        return Answer(401, {"flows": [], "raw": msgspec.Raw(b'{"a":1}')}, {"X-Extra": "1"})
    if how == "outside":
        raise ConnectionRefusedError("the database is away")
    raise RuntimeError("a secret of the inside")


async def test_errors_are_told_in_matrix_form(start: Start) -> None:
    server = await start(fail)
    answer = await server.client.get("/_matrix/client/v3/fail/forbidden")
    assert (answer.status, await answer.json()) == (403, {"errcode": "M_FORBIDDEN", "error": "Not you"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    answer = await server.client.get("/_matrix/client/v3/fail/limited")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    assert (await answer.json())["retry_after_ms"] == 1500
    answer = await server.client.get("/_matrix/client/v3/fail/answer")
    assert (answer.status, answer.headers["X-Extra"]) == (401, "1")
    assert await answer.json() == {"flows": [], "raw": {"a": 1}}


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_a_fault_is_not_told(start: Start, where: str) -> None:
    server = await start(fail)
    answer = await server.client.get(f"/_matrix/client/v3/fail/{where}")
    assert (answer.status, await answer.json()) == (500, {"errcode": "M_UNKNOWN", "error": "Internal server error"})
    assert answer.headers["X-Request-Id"]
    assert server.metrics.registry.get_sample_value(
        "oriz_requests_total", {"method": "GET", "endpoint": "/_matrix/client/fail/{how}", "status": "500"}
    )


async def test_broken_http_is_answered_in_json(start: Start) -> None:
    server = await start(get_things)
    head, body = await raw(server.base_url, b"GET /\x00 HTTP/9\r\n\r\n")
    assert head.split()[1] == b"400"
    assert json.loads(body)["errcode"] == "M_UNKNOWN"


@endpoint.get("/download/{how}", versions=CLIENT_V3, auth=Auth.NONE)
async def download(_call: Call, how: str) -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first "
        if how == "broken":
            raise RuntimeError
        yield b"second"

    return Stream(chunks(), "text/plain", length=12)


async def test_a_stream_is_whole_or_broken_off(start: Start) -> None:
    server = await start(download)
    answer = await server.client.get("/_matrix/client/v3/download/whole")
    assert (await answer.read(), answer.headers["Content-Length"]) == (b"first second", "12")
    head, body = await raw(server.base_url, b"GET /_matrix/client/v3/download/broken HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (head.split()[1], body) == (b"200", b"first ")


async def test_only_what_may_be_cancelled_ends_with_its_client(start: Start) -> None:
    ends: dict[str, asyncio.Future[str]] = {}

    async def wait(name: str) -> dict[str, str]:
        ends[name] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            ends[name].set_result("cancelled")
            raise
        ends[name].set_result("finished")
        return {}

    @endpoint.get("/sync", versions=CLIENT_V3, auth=Auth.NONE, cancellable=True)
    async def sync(_call: Call) -> dict[str, str]:
        return await wait("sync")

    @endpoint.put("/write", versions=CLIENT_V3, auth=Auth.NONE)
    async def write(_call: Call) -> dict[str, str]:
        return await wait("write")

    server = await start(sync, write)
    for method, path in (("GET", "sync"), ("PUT", "write")):
        await send_and_leave(
            server.base_url, f"{method} /_matrix/client/v3/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
    assert await asyncio.wait_for(ends["sync"], 2) == "cancelled"
    assert await asyncio.wait_for(ends["write"], 2) == "finished"


async def test_draining_finishes_work_and_answers_what_waits(start: Start) -> None:
    @endpoint.get("/sync", versions=CLIENT_V3, auth=Auth.NONE, cancellable=True)
    async def sync(_call: Call) -> dict[str, str]:
        await asyncio.sleep(30)
        return {}

    @endpoint.put("/write", versions=CLIENT_V3, auth=Auth.NONE)
    async def write(_call: Call) -> dict[str, str]:
        await asyncio.sleep(0.3)
        return {"written": "yes"}

    server = await start(sync, write)
    host, port = server.base_url.removeprefix("http://").split(":")
    waiting = asyncio.create_task(server.client.get("/_matrix/client/v3/sync").__aenter__())
    writing = asyncio.create_task(server.client.put("/_matrix/client/v3/write").__aenter__())
    await asyncio.sleep(0.1)
    await server.application.drain(5)
    assert (await waiting).status == 503
    assert await (await writing).json() == {"written": "yes"}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


@endpoint.get("/whoami", versions=CLIENT_V3, auth=Auth.NONE)
async def whence(call: Call) -> dict[str, str]:
    return {"ip": call.ip, "agent": call.user_agent}


@pytest.mark.parametrize(
    ("networks", "forwarded", "expected"),
    [
        ([], "10.0.0.9", "127.0.0.1"),
        (["127.0.0.1"], "1.2.3.4, 10.0.0.9", "10.0.0.9"),
        (["127.0.0.1", "10.0.0.0/8"], "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        (["127.0.0.0/8"], "", "127.0.0.1"),
    ],
)
async def test_forwarded_addresses_are_believed_from_our_proxies_only(
    start: Start, networks: list[str], forwarded: str, expected: str
) -> None:
    server = await start(whence, setting=trusting(*networks))
    headers = {"X-Forwarded-For": forwarded, "User-Agent": "Fluffy"}
    answer = await server.client.get("/_matrix/client/v3/whoami", headers=headers)
    assert await answer.json() == {"ip": expected, "agent": "Fluffy"}
