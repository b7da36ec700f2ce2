"""The keys and the version of a server, as others ask for them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from oriz_matrix import __version__
from oriz_matrix.base import signing_key
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import parse_published, publish
from oriz_matrix.protocol.signing import SigningKey, verify_json
from tests.support.in_process import SERVER_NAME, Homeserver, homeserver, open_config
from tests.support.outside import Outside, outside

KEYS = "/_matrix/key/v2"
PEER = SigningKey("theirs", b"t" * 32)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as made:
        yield made


@pytest.fixture
def federated(config: Config, world: Outside) -> Config:
    """A configuration that talks with others."""
    return replace(config, federation=world.settings(denied_servers=("denied.test",)))


@pytest.fixture
async def open_server(federated: Config) -> AsyncIterator[Homeserver]:
    async with homeserver(federated) as running:
        yield running


async def test_our_keys_are_published_and_signed_by_themselves(open_server: Homeserver) -> None:
    answer = await open_server.ask("GET", f"{KEYS}/server")
    now = Clock().now_ms()
    published = parse_published(answer.body, ServerName(SERVER_NAME), now)
    key = signing_key.read(open_server.config.signing_key_path)
    assert (list(published.keys), answer.body["old_verify_keys"]) == ([key.key_id], {})
    assert bytes(published.keys[key.key_id].key) == bytes(key.verify_key)
    assert 23 * 3600_000 < published.valid_until - now <= 24 * 3600_000


async def test_servers_of_before_name_the_key(open_server: Homeserver) -> None:
    keys = (await open_server.ask("GET", f"{KEYS}/server")).body["verify_keys"]
    (key_id,) = keys
    for wanted in (key_id, "ed25519:other"):
        assert (await open_server.ask("GET", f"{KEYS}/server/{wanted}")).body["verify_keys"] == keys
    (told,) = (await open_server.ask("GET", f"{KEYS}/query/{SERVER_NAME}/{key_id}")).body["server_keys"]
    assert told["verify_keys"] == keys


async def test_a_key_that_was_replaced_is_published_as_old(federated: Config) -> None:
    async with homeserver(federated) as running:
        old = (await running.ask("GET", f"{KEYS}/server")).body["verify_keys"]
    federated.signing_key_path.unlink()
    new = signing_key.create(federated.signing_key_path, Ids())
    async with homeserver(federated) as running:
        body = (await running.ask("GET", f"{KEYS}/server")).body
    assert list(body["verify_keys"]) == [new.key_id]
    (key_id,) = old
    assert body["old_verify_keys"][key_id]["key"] == old[key_id]["key"]
    assert body["old_verify_keys"][key_id]["expired_ts"] == pytest.approx(Clock().now_ms(), abs=30_000)


async def test_we_vouch_for_others(open_server: Homeserver, world: Outside) -> None:
    them = await world.server("127.0.0.1")
    name = ServerName(f"127.0.0.1:{them.port}")
    them.answers[f"{KEYS}/server"] = publish(name, PEER, {}, Clock().now_ms() + 3_600_000)
    own = (await open_server.ask("GET", f"{KEYS}/server")).body["verify_keys"]
    one = await open_server.ask("GET", f"{KEYS}/query/{name}?minimum_valid_until_ts=5")
    assert [each["server_name"] for each in one.body["server_keys"]] == [name]
    wanted = {name: {PEER.key_id: {"minimum_valid_until_ts": 5}}, SERVER_NAME: {}, "denied.test": {}, "127.0.0.1:1": {}}
    many = await open_server.ask("POST", f"{KEYS}/query", {"server_keys": wanted})
    assert {each["server_name"] for each in many.body["server_keys"]} == {name, SERVER_NAME}
    key = signing_key.read(open_server.config.signing_key_path).verify_key
    for answer in (*one.body["server_keys"], *many.body["server_keys"]):
        assert verify_json(answer, SERVER_NAME, lambda _, key_id: key if key_id in own else None)


async def test_who_does_not_answer_is_left_out(open_server: Homeserver) -> None:
    for name in ("127.0.0.1:1", "nobody.invalid:1", "denied.test"):
        assert (await open_server.ask("GET", f"{KEYS}/query/{name}")).body == {"server_keys": []}
    assert (await open_server.ask("POST", f"{KEYS}/query", {"server_keys": {}})).body == {"server_keys": []}


@pytest.mark.parametrize("body", [{}, {"server_keys": []}, {"server_keys": {"a.org": 5}}, b"{", []])
async def test_a_query_that_is_none_is_refused(open_server: Homeserver, body: object) -> None:
    answer = await open_server.ask("POST", f"{KEYS}/query", body)
    assert (answer.status, answer.body["errcode"][:2]) == (400, "M_")


async def test_the_version_is_told(open_server: Homeserver) -> None:
    answer = await open_server.ask("GET", "/_matrix/federation/v1/version")
    assert answer.body == {"server": {"name": "Oriz", "version": __version__}}


async def test_without_federation_none_of_this_is_there(tmp_path: Path) -> None:
    async with homeserver(open_config(tmp_path, None)) as running:
        for path in (f"{KEYS}/server", f"{KEYS}/query/a.org", "/_matrix/federation/v1/version"):
            answer = await running.ask("GET", path)
            assert (answer.status, answer.body["errcode"]) == (404, "M_UNRECOGNIZED")
