"""Requests that other servers sign, from their socket to the function of the endpoint."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.listeners import Listener, Surface, Tls
from oriz_matrix.net.errors import Refused
from oriz_matrix.net.peers import PeerRequest, Peers, uri
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, authorization
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth, JsonObject
from oriz_matrix.web.signatures import Signatures
from tests.support.databases import Databases
from tests.support.outside import Outside, Stranger, outside
from tests.support.stores import new_dialect, running
from tests.web.serving import Setting, Start

US = ServerName("us.test")
KEY = SigningKey("theirs", b"t" * 32)


@endpoint.put("/send/{txn_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def send(call: ServerCall, txn_id: str, body: JsonObject) -> dict[str, Any]:
    return {"origin": call.origin, "txn_id": txn_id, "body": body}


@endpoint.get("/state/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def state(call: ServerCall, room_id: str) -> dict[str, Any]:
    return {"origin": call.origin, "room_id": room_id}


@dataclass
class Meeting:
    """Our server, whose address stands for its name, and another that asks it; `them` serves the other's keys."""

    place: str
    name: ServerName
    them: Stranger
    peers: Peers

    async def say(self, header: str | None, method: str = "GET", path: str = "/state/x", body: bytes = b"") -> Any:
        """Status and errcode of a request with this header Authorization; the JSON of a good one."""
        request = PeerRequest(
            method=method,
            uri="/_matrix/federation/v1" + path,
            headers={} if header is None else {"Authorization": header},
            body=body or None,
        )
        try:
            return await self.peers.ask(ServerName(self.place), request)
        except Refused as error:
            return error.status, error.errcode

    def header(self, **changes: Any) -> str:
        """A good header for GET /state/x, but for what is changed."""
        said = {"method": "GET", "uri": "/_matrix/federation/v1/state/x", "origin": self.name, "destination": US}
        key = changes.pop("key", KEY)
        return authorization(SignedRequest(**{**said, **changes}), key)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as made:
        yield made


@pytest.fixture
async def meeting(world: Outside, start: Start, tmp_path: Path, postgres: Databases) -> AsyncIterator[Meeting]:
    with new_dialect("sqlite", tmp_path, postgres) as dialect:
        async with running(dialect) as database:
            them = await world.server("127.0.0.1")
            name = ServerName(f"127.0.0.1:{them.port}")
            them.answers["/_matrix/key/v2/server"] = publish(name, KEY, {}, Clock().now_ms() + 3_600_000)
            reached = await world.reach(world.settings(denied_servers=("denied.*",)))
            keys = ServerKeys(database, Clock(), US, SigningKey("ours", b"o" * 32), reached.keys, ())
            certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
            pair = world.authority.issue_cert("127.0.0.1")
            pair.private_key_pem.write_to_path(key)
            for pem in pair.cert_chain_pems:
                pem.write_to_path(certificate, append=True)
            listener = Listener(port=0, tls=Tls(certificate=certificate, key=key), surfaces=(Surface.FEDERATION,))
            signatures = Signatures(keys, reached.peers.allows, US, lambda _server: None)
            server = await start(send, state, setting=Setting(listener=listener, servers=signatures))
            place = server.application.addresses[0]
            yield Meeting(place, name, them, reached.peers)


async def test_a_signed_request_is_that_servers(meeting: Meeting) -> None:
    assert await meeting.say(meeting.header()) == {"origin": meeting.name, "room_id": "x"}
    path = uri("/_matrix/federation/v1/send", "a/ü %", query=[("x", "ö")])
    body = b'{"a":[1,"\xc3\xa9"]}'
    header = meeting.header(method="PUT", uri=path, content=body)
    answer = await meeting.say(header, "PUT", path.removeprefix("/_matrix/federation/v1"), body=body)
    assert answer == {"origin": meeting.name, "txn_id": "a/ü %", "body": {"a": [1, "é"]}}
    assert len(meeting.them.seen) == 1


async def test_the_signature_is_over_the_json_and_not_over_its_bytes(meeting: Meeting) -> None:
    header = meeting.header(method="PUT", uri="/_matrix/federation/v1/send/1", content=b'{"a":1,"b":2}')
    answer = await meeting.say(header, "PUT", "/send/1", body=b'{ "b": 2,\n"a": 1 }')
    assert answer["body"] == {"a": 1, "b": 2}
    assert await meeting.say(header, "PUT", "/send/1", body=b'{"a":1,"b":3}') == (401, "M_UNAUTHORIZED")
    assert await meeting.say(header, "PUT", "/send/2", body=b'{"a":1,"b":2}') == (401, "M_UNAUTHORIZED")
    assert await meeting.say(header, "PUT", "/send/1", body=b'{"a":1') == (400, "M_NOT_JSON")


async def test_who_signs_for_nobody_or_another_is_unauthorized(meeting: Meeting) -> None:
    for header in (
        None,
        "Bearer x",
        "X-Matrix",
        meeting.header(destination="127.0.0.1:1"),
        meeting.header(uri="/_matrix/federation/v1/state/y"),
        meeting.header(key=SigningKey("theirs", b"x" * 32)),
        meeting.header(key=SigningKey("unknown", b"t" * 32)),
        meeting.header(origin="127.0.0.1:1"),
        meeting.header(origin="10.0.0.1"),
    ):
        assert await meeting.say(header) == (401, "M_UNAUTHORIZED")


async def test_a_server_that_is_denied_is_told_so_before_anything_is_looked_up(meeting: Meeting) -> None:
    assert await meeting.say(meeting.header(origin="denied.test:5")) == (403, "M_FORBIDDEN")
    assert meeting.them.seen == []


async def test_of_whom_no_key_is_known_no_body_is_read(meeting: Meeting, world: Outside) -> None:
    tls = ssl.create_default_context(cafile=str(world.ca_file))
    host, port = meeting.place.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    path = "/_matrix/federation/v1/send/1"
    header = meeting.header(method="PUT", uri=path, key=SigningKey("unknown", b"t" * 32))
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nAuthorization: {header}\r\n\r\n"
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401 ")
    writer.transport.abort()


async def test_old_servers_do_not_say_for_whom(meeting: Meeting) -> None:
    header = meeting.header().replace(f',destination="{US}"', "")
    assert await meeting.say(header) == {"origin": meeting.name, "room_id": "x"}


async def test_a_token_is_no_signature(meeting: Meeting) -> None:
    assert await meeting.say(None, path="/state/x?access_token=alice") == (401, "M_UNAUTHORIZED")
