"""Finding keys: of the server itself, of notaries, and of the past; and vouching for others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, authorization, parse_authorization, verify
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.signing import (
    SigningKey,
    sign_event,
    sign_json,
    verify_event_signatures,
    verify_json,
)
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.storage.database import Database
from tests.support.outside import Outside, Stranger, outside

US = ServerName("us.test")
KEY, NEW, OLD = SigningKey("ours", b"k" * 32), SigningKey("new", b"n" * 32), SigningKey("old", b"o" * 32)
SERVER, QUERY = "/_matrix/key/v2/server", "/_matrix/key/v2/query"
DAY = 24 * 3600 * 1000
MINUTE = 61


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as made:
        yield made


class Stage:
    """This server's keys in a world with a server a.test."""

    def __init__(self, world: Outside, database: Database, clock: FakeClock, peer: Stranger) -> None:
        self.world, self.database, self.clock, self.peer = world, database, clock, peer
        self.name = ServerName(f"127.0.0.1:{peer.port}")

    async def keys(self, *notaries: str, own: SigningKey = KEY) -> ServerKeys:
        """The service, as after a start."""
        reached = await self.world.reach(clock=self.clock)
        made = ServerKeys(self.database, self.clock, US, own, reached.keys, notaries)
        await made.start()
        return made

    def publish(self, key: SigningKey = NEW, days: int = 1, **old: int) -> dict[str, Any]:
        """Lets the peer publish a key; `old` by name and when it expired."""
        known = {each.key_id.partition(":")[2]: each for each in (NEW, OLD)}
        past = {known[name].key_id: (known[name].verify_key, moment) for name, moment in old.items()}
        said = publish(self.name, key, past, self.now + days * DAY)
        self.peer.answers[SERVER] = said
        return said

    @property
    def now(self) -> int:
        return self.clock.now_ms()

    async def accepts(self, keys: ServerKeys, key: SigningKey = NEW) -> bool:
        """Whether a request that is signed by this key of the peer is believed."""
        request = SignedRequest(method="GET", uri="/x", origin=self.name, destination=US)
        credentials = parse_authorization([authorization(request, key)])
        return verify(request, credentials, await keys.for_request(credentials))


@pytest.fixture
async def stage(world: Outside, database: Database) -> Stage:
    return Stage(world, database, FakeClock(), await world.server("127.0.0.1"))


async def test_a_key_is_asked_for_once(stage: Stage) -> None:
    stage.publish()
    keys = await stage.keys()
    assert all(await asyncio.gather(*(stage.accepts(keys) for _ in range(10))))
    assert await stage.accepts(await stage.keys())
    assert len(stage.peer.seen) == 1


async def test_trap_10_a_request_needs_a_key_that_is_in_use_now(stage: Stage) -> None:
    stage.publish(OLD)
    keys = await stage.keys()
    assert await stage.accepts(keys, OLD)
    stage.publish(NEW, old=stage.now)
    await stage.clock.advance(MINUTE)
    assert await stage.accepts(keys, NEW)
    assert not await stage.accepts(keys, OLD)


async def test_trap_10_a_key_that_ran_out_is_asked_for_again(stage: Stage) -> None:
    stage.publish(days=999)
    keys = await stage.keys()
    assert await stage.accepts(keys)
    await stage.clock.advance(7 * 24 * 3600 + 1)
    assert await stage.accepts(keys)
    assert len(stage.peer.seen) == 2
    stage.peer.answers.clear()
    await stage.clock.advance(7 * 24 * 3600 + 1)
    assert not await stage.accepts(keys)


async def test_nonsense_in_a_servers_name_does_not_make_us_a_nuisance(stage: Stage) -> None:
    stage.publish()
    keys = await stage.keys()
    for _ in range(5):
        assert not await stage.accepts(keys, SigningKey("nobody", b"x" * 32))
    assert len(stage.peer.seen) == 1
    await stage.clock.advance(MINUTE)
    assert not await stage.accepts(keys, OLD)
    assert len(stage.peer.seen) == 2


async def test_a_wrong_signature_by_a_known_key_is_refused(stage: Stage) -> None:
    stage.publish()
    assert not await stage.accepts(await stage.keys(), SigningKey("new", b"x" * 32))


def made_by(server: str, key: SigningKey, version: RoomVersion, ts: int) -> Event:
    """An event of a user of a server, signed by a key."""
    pdu = {
        "type": "m.room.message", "sender": f"@a:{server}", "room_id": "!r:x.org", "content": {}, "depth": 1,
        "hashes": {}, "signatures": {}, "origin_server_ts": ts,
    }  # fmt: skip
    return Event(version, EventId(f"$0:{server}"), RoomId("!r:x.org"), sign_event(pdu, version, server, key))


async def believed(keys: ServerKeys, events: list[Event]) -> list[bool]:
    """Which of the events are validly signed."""
    found = await keys.for_events(events)
    results = []
    for event in events:
        try:
            verify_event_signatures(event, found.lookup(event.version, event.origin_server_ts))
            results.append(True)
        except Forbidden:
            results.append(False)
    return results


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
async def test_trap_10_an_event_needs_a_key_that_was_good_when_it_was_made(stage: Stage, version: RoomVersion) -> None:
    stage.publish(NEW, old=stage.now - DAY)
    keys = await stage.keys()
    moments = [(OLD, -2 * DAY), (OLD, -DAY), (OLD, -DAY + 1), (NEW, -9 * DAY), (NEW, DAY), (NEW, DAY + 1)]
    events = [made_by(stage.name, key, version, stage.now + moment) for key, moment in moments]
    late = not version.key_validity
    assert await believed(keys, events) == [True, True, late, True, True, late]
    assert len(stage.peer.seen) == 1


async def test_trap_10_own_old_events_stay_good(stage: Stage) -> None:
    await stage.keys(own=OLD)
    made = stage.now
    await stage.clock.advance(5)
    keys = await stage.keys(own=NEW)
    version = ROOM_VERSIONS["12"]
    events = [
        made_by(US, OLD, version, made),
        made_by(US, OLD, version, stage.now + 1),
        made_by(US, NEW, version, made),
    ]
    assert await believed(keys, events) == [True, False, True]


async def test_a_rotated_key_is_published_as_old(stage: Stage) -> None:
    await stage.keys(own=OLD)
    await stage.clock.advance(5)
    said = (await stage.keys(own=NEW)).published()
    assert said["old_verify_keys"] == {OLD.key_id: {"key": OLD.verify_key.to_base64(), "expired_ts": stage.now}}
    assert list(said["verify_keys"]) == [NEW.key_id]
    assert said["valid_until_ts"] >= stage.now + 3600 * 1000
    assert verify_json(said, US, lambda *_: NEW.verify_key)


async def notary(stage: Stage, *answers: dict[str, Any]) -> tuple[Stranger, ServerName]:
    """A notary that has these answers."""
    server = await stage.world.server("127.0.0.1")
    name = ServerName(f"127.0.0.1:{server.port}")
    server.answers[SERVER] = publish(name, KEY, {}, stage.now + DAY)
    server.answers[QUERY] = {"server_keys": [sign_json(answer, name, KEY) for answer in answers]}
    return server, name


async def test_a_notary_is_asked_for_who_is_silent(stage: Stage) -> None:
    said = stage.publish()
    stage.peer.answers.clear()
    useless, first = await notary(stage)
    helpful, second = await notary(stage, said)
    keys = await stage.keys(first, second)
    assert await stage.accepts(keys)
    assert [each[1] for each in useless.seen] == [SERVER, QUERY]
    assert [each[1] for each in helpful.seen] == [SERVER, QUERY]
    assert NEW.key_id.encode() in helpful.bodies[1]


async def test_a_notary_is_not_believed_what_nobody_signed(stage: Stage) -> None:
    said = stage.publish()
    stage.peer.answers.clear()
    other, name = await notary(stage, {**said, "valid_until_ts": stage.now + 1}, {"server_name": "x"})
    assert not await stage.accepts(await stage.keys(name))
    other.answers[QUERY] = {"server_keys": [said, 5, None]}
    await stage.clock.advance(MINUTE)
    assert not await stage.accepts(await stage.keys(name))
    garbage: Any
    for garbage in ({}, {"server_keys": {}}, []):
        other.answers[QUERY] = garbage
        await stage.clock.advance(MINUTE)
        assert not await stage.accepts(await stage.keys(name))


async def test_of_many_servers_the_notaries_are_asked_first(stage: Stage) -> None:
    names = [ServerName(f"127.0.0.{number}:{stage.peer.port}") for number in range(2, 14)]
    said = [publish(name, NEW, {}, stage.now + DAY) for name in names]
    server, name = await notary(stage, *said)
    version = ROOM_VERSIONS["12"]
    events = [made_by(each, NEW, version, stage.now) for each in names]
    assert await believed(await stage.keys(name), events) == [True] * len(names)
    assert [each[1] for each in server.seen] == [SERVER, QUERY]


def vouched(answers: list[dict[str, Any]]) -> list[str]:
    """Whose keys the answers hold; each is signed by us."""
    assert all(verify_json(answer, US, lambda *_: KEY.verify_key) for answer in answers)
    return [answer["server_name"] for answer in answers]


async def test_as_a_notary_we_sign_what_others_published(stage: Stage) -> None:
    said = stage.publish()
    keys = await stage.keys()
    (answer,) = await keys.notarize({stage.name: {}})
    assert vouched([answer]) == [stage.name]
    assert {**answer, "signatures": said["signatures"]} == said
    assert verify_json(answer, stage.name, lambda *_: NEW.verify_key)
    nobody: dict[str, dict[str, int | None]] = {"a b": {}, "127.0.0.1:1": {}, "10.0.0.1": {}}
    assert vouched(await keys.notarize({stage.name: {NEW.key_id: None}, US: {}, **nobody})) == [US, stage.name]
    assert len(stage.peer.seen) == 1
    assert await keys.notarize({}) == []


async def test_as_a_notary_we_ask_again_after_half_of_the_lifetime_and_keep_the_last_answer(stage: Stage) -> None:
    stage.publish()
    keys = await stage.keys()
    await keys.notarize({stage.name: {}})
    await stage.clock.advance(11 * 3600)
    await keys.notarize({stage.name: {}})
    assert len(stage.peer.seen) == 1
    stage.peer.answers.clear()
    await stage.clock.advance(2 * 3600)
    assert vouched(await keys.notarize({stage.name: {}})) == [stage.name]
    assert len(stage.peer.seen) == 2
    await stage.clock.advance(99 * 3600)
    assert vouched(await keys.notarize({stage.name: {}})) == [stage.name]


@pytest.mark.parametrize("wanted", [({"ed25519:other": None}, None), ({"ed25519:new": 2}, None), ({}, 2)])
async def test_as_a_notary_we_ask_for_what_is_not_known_yet(stage: Stage, wanted: Any) -> None:
    stage.publish()
    keys = await stage.keys()
    await keys.notarize({stage.name: {}})
    await stage.clock.advance(MINUTE)
    named = {key_id: days and stage.now + days * DAY for key_id, days in wanted[0].items()}
    await keys.notarize({stage.name: named}, wanted[1] and stage.now + wanted[1] * DAY)
    assert len(stage.peer.seen) == 2


async def test_as_a_notary_we_ask_again_at_once_but_not_for_ever(stage: Stage) -> None:
    stage.publish()
    keys = await stage.keys()
    for _ in range(15):
        assert vouched(await keys.notarize({stage.name: {NEW.key_id: stage.now + 2 * DAY}})) == [stage.name]
    assert len(stage.peer.seen) == 10
    await stage.clock.advance(MINUTE)
    await keys.notarize({stage.name: {NEW.key_id: stage.now + 2 * DAY}})
    assert len(stage.peer.seen) == 11


async def test_as_a_notary_we_vouch_for_a_key_that_its_server_has_dropped(stage: Stage) -> None:
    old, made = stage.publish(OLD), stage.now
    keys = await stage.keys()
    await keys.notarize({stage.name: {}})
    new = stage.publish(NEW)
    await stage.clock.advance(2 * DAY // 1000)
    for wanted, said in (({OLD.key_id: made}, [old]), ({OLD.key_id: made, NEW.key_id: None}, [new, old]), ({}, [new])):
        answers = await keys.notarize({stage.name: wanted})
        assert [answer["verify_keys"] for answer in answers] == [each["verify_keys"] for each in said]


async def test_hostile_keys_are_a_failure_and_no_more(stage: Stage) -> None:
    good = stage.publish()
    keys = await stage.keys()

    async def garbage(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"\xff" * 300_000)

    for answer in (garbage, {}, {**good, "server_name": "b.test"}, {**good, "verify_keys": 5}):
        stage.peer.answers[SERVER] = answer
        await stage.clock.advance(MINUTE)
        assert not await stage.accepts(keys)
        assert await keys.notarize({stage.name: {}}) == []
