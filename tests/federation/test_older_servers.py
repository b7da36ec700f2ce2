"""Servers of before: the handshakes of version 1, which the specification has no more."""

from typing import Any

import pytest

from oriz_matrix.protocol.event_builder import complete
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.peer import acts
from tests.support.peer.peer import V1, V2, Peer
from tests.support.people import segment


@pytest.fixture(params=["a", "b"])
async def alice(request: pytest.FixtureRequest, stage: Stage) -> Person:
    """Somebody on each engine."""
    return await stage.person(f"{request.param}lice")


async def handed(zoe: Peer, alice: Person, room: str, act: str) -> Any:
    """Zoe's own membership changes by a handshake of version 1."""
    user = zoe.user("zoe")
    made = await zoe.good(alice.at, "GET", f"{V1}/make_{act}/{segment(room)}/{segment(user)}", query=[("ver", "10")])
    event = complete(made["event"], ROOM_VERSIONS["10"], zoe.name, zoe.key)
    path = f"{V1}/send_{act}/{segment(room)}/{segment(event.event_id)}"
    return await zoe.good(alice.at, "PUT", path, event.pdu)


async def test_they_join_and_leave(alice: Person, zoe: Peer) -> None:
    room = await alice.create_room(preset="public_chat", room_version="10")
    status, answer = await handed(zoe, alice, room, "join")
    assert status == 200
    state = {(event["type"], event["state_key"]) for event in answer["state"]}
    assert ("m.room.create", "") in state
    assert ("m.room.member", alice.id) in state
    authorizing = {(event["type"], event["state_key"]) for event in answer["auth_chain"]}
    assert authorizing >= {("m.room.create", ""), ("m.room.power_levels", ""), ("m.room.join_rules", "")}
    await alice.sees_member(room, zoe.user("zoe"), "join")
    assert await handed(zoe, alice, room, "leave") == [200, {}]
    await alice.sees_member(room, zoe.user("zoe"), "leave")


async def test_they_leave_out_what_they_have(alice: Person, zoe: Peer) -> None:
    """`earliest_events` is missing from what some ask for."""
    room = await acts.join(zoe, alice.at, await alice.create_room(preset="public_chat", room_version="10"), "zoe")
    said = [await alice.say(room.room_id, "first"), await alice.say(room.room_id, "second")]
    path = f"{V1}/get_missing_events/{segment(room.room_id)}"
    answer = await zoe.good(alice.at, "POST", path, {"latest_events": [said[1]], "limit": 1})
    assert [room.read(pdu).event_id for pdu in answer["events"]] == said[:1]
    assert await zoe.good(alice.at, "POST", path, {}) == {"events": []}


async def test_nothing_is_taken_unsigned(alice: Person, zoe: Peer) -> None:
    room = await alice.create_room(preset="public_chat", room_version="10")
    path = f"{V1}/make_join/{segment(room)}/{segment(zoe.user('zoe'))}"
    made = await zoe.good(alice.at, "GET", path, query=[("ver", "10")])
    event = complete(made["event"], ROOM_VERSIONS["10"], zoe.name, zoe.key)
    bare = {name: value for name, value in event.pdu.items() if name not in ("signatures", "hashes")}
    for pdu, event_id, status, errcode in (
        (bare, event.event_id, 403, "M_FORBIDDEN"),
        ({**bare, "signatures": event.pdu["signatures"]}, event.event_id, 403, "M_FORBIDDEN"),
        ({**event.pdu, "signatures": {zoe.name: {}}}, event.event_id, 403, "M_FORBIDDEN"),
        (event.pdu, "of-no-event", 400, "M_BAD_JSON"),
        ({**event.pdu, "depth": 1.5}, "of-no-event", 400, "M_BAD_JSON"),
    ):
        for version in (V1, V2):
            path = f"{version}/send_join/{segment(room)}/{segment(event_id)}"
            answer = await zoe.ask(alice.at, "PUT", path, pdu)
            assert (answer.status, answer.body["errcode"]) == (status, errcode)
