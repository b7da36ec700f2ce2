"""Invites by an address that are redeemed: through the server of who invited, and by an identity server's word."""

import secrets
from typing import Any

import pytest
from yarl import URL

from oriz_matrix.protocol.errors import MatrixError
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.signing import SigningKey, sign_json
from oriz_matrix.services.membership.third_party import redeemed
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.in_process import Answer
from tests.support.nodes.node import World
from tests.support.peer import acts
from tests.support.peer.answers import OPERATIONS, shown
from tests.support.peer.peer import V1, V2, Asked, Operation, Peer, peer
from tests.support.peer.room import Json
from tests.support.people import segment

IDENTITY = SigningKey("0", secrets.token_bytes(32))
PENDING = "m.room.third_party_invite"


def pending() -> Json:
    """What stands in the room for an address that was invited."""
    key = IDENTITY.verify_key.to_base64()
    return {
        "display_name": "b...@example.org",
        "key_validity_url": "https://identity.example/isvalid",
        "public_key": key,
        "public_keys": [{"public_key": key}],
    }


def proof(user_id: str, token: str = "token", key: SigningKey = IDENTITY) -> Json:
    """The identity server's word that the address is this user's."""
    return sign_json({"mxid": user_id, "token": token}, "identity.example", key)


async def invites(alice: Person, **body: Any) -> str:
    """Alice has invited an address to a new room, which is for those who are invited."""
    room_id = await alice.create_room(preset="private_chat", **body)
    await alice.set_state(room_id, PENDING, pending(), "token")
    return room_id


def partial(room_id: str, sender: str, user_id: str, **changes: Any) -> Json:
    """The body of an exchange."""
    invite = {"display_name": "anything", "signed": proof(user_id)}
    event = {
        "type": "m.room.member",
        "room_id": room_id,
        "sender": sender,
        "state_key": user_id,
        "content": {"membership": "invite", "third_party_invite": invite},
    }
    return event | changes


def binding(user_id: str, room_id: str, sender: str, signed: Json | None = None) -> Json:
    """The body of an identity server's request."""
    invite = {"medium": "email", "address": "b@example.org", "mxid": user_id, "room_id": room_id, "sender": sender}
    invites = [{**invite, "signed": signed or proof(user_id)}]
    return {"medium": "email", "address": "b@example.org", "mxid": user_id, "invites": invites}


async def unsigned(zoe: Peer, person: Person, path: str, body: Any) -> Answer:
    """What a person's server answers to who signs nothing."""
    async with zoe.http.put(URL(f"https://{person.at}{path}", encoded=True), json=body) as response:
        return Answer(response.status, await response.json())


async def on_bind(zoe: Peer, person: Person, body: Any) -> Answer:
    """What a person's server answers to an identity server."""
    return await unsigned(zoe, person, f"{V1}/3pid/onbind", body)


@pytest.mark.parametrize("version", ["10", "11", "12"])
@pytest.mark.parametrize("letter", ["a", "b"])
async def test_trap_25_a_server_exchanges_an_invite_of_its_user(
    stage: Stage, zoe: Peer, letter: str, version: str
) -> None:
    alice = await stage.person(f"{letter}lice")
    room_id = await invites(alice, room_version=version)
    user_id = zoe.user("zoe")
    path = f"{V1}/exchange_third_party_invite/{segment(room_id)}"
    assert await zoe.good(alice.at, "PUT", path, partial(room_id, alice.id, user_id)) == {}
    invite = zoe.invites[room_id]
    assert (invite.sender, invite.state_key) == (alice.id, user_id)
    assert invite.content["third_party_invite"]["display_name"] == "b...@example.org"
    await alice.sees(lambda: alice.room(room_id).content("m.room.member", user_id), "the invite")
    await acts.join(zoe, alice.at, room_id, "zoe")
    assert (await alice.members(room_id))[user_id] == "join"


async def test_trap_25_what_does_not_fit_is_not_exchanged(stage: Stage, zoe: Peer) -> None:
    alice = await stage.person("alice")
    room_id = await invites(alice)
    user_id = zoe.user("zoe")
    good = partial(room_id, alice.id, user_id)
    other_key = SigningKey("0", bytes(32))

    def invited(signed: Any) -> Json:
        content = {"membership": "invite", "third_party_invite": {"display_name": "x", "signed": signed}}
        return {**good, "content": content}

    cases: list[tuple[Json, int]] = [
        ({}, 400),
        ({**good, "type": "m.room.name"}, 400),
        ({**good, "room_id": "!another:example.org"}, 400),
        ({**good, "room_id": 5}, 400),
        ({**good, "sender": "alice"}, 400),
        ({**good, "state_key": None}, 400),
        ({**good, "content": "x"}, 400),
        ({**good, "content": {"membership": "join", "third_party_invite": {"signed": proof(user_id)}}}, 400),
        ({**good, "content": {"membership": "invite", "third_party_invite": []}}, 400),
        (invited(None), 400),
        (invited({"mxid": user_id, "token": 5, "signatures": {}}), 400),
        (invited(proof(zoe.user("another"))), 400),
        (invited({**proof(user_id), "signatures": "x"}), 403),
        (invited(proof(user_id, key=other_key)), 403),
        (invited(proof(user_id, token="another")), 403),
        ({**good, "sender": f"@another:{alice.at}"}, 403),
        (partial(room_id, alice.id, "@zoe:elsewhere.example"), 403),
    ]
    path = f"{V1}/exchange_third_party_invite/{segment(room_id)}"
    for body, status in cases:
        answer = await zoe.ask(alice.at, "PUT", path, body)
        assert (answer.status, body) == (status, body), answer.body
    unknown = await zoe.ask(alice.at, "PUT", f"{V1}/exchange_third_party_invite/!unknown:a.example", good)
    assert unknown.status in (400, 404)
    assert (await unsigned(zoe, alice, path, good)).status == 401
    assert zoe.invites == {}
    assert user_id not in await alice.members(room_id)


@pytest.mark.parametrize("names", [("alice", "bob"), ("bob", "alice")])
async def test_an_invite_reaches_its_server_through_the_inviting_one(
    stage: Stage, zoe: Peer, names: tuple[str, str]
) -> None:
    """The server of who was invited hears of it from the identity server, and asks that of who invited."""
    inviting, invited = await stage.people(*names)
    room_id = await invites(inviting, room_version=stage.version)
    answer = await on_bind(zoe, invited, binding(invited.id, room_id, inviting.id))
    assert (answer.status, answer.body) == (200, {})
    await invited.sees_section(room_id, "invite")
    await inviting.sees_member(room_id, invited, "invite")
    await invited.join(room_id)
    await inviting.sees_member(room_id, invited, "join")


@pytest.mark.parametrize("letter", ["a", "b"])
async def test_an_invite_to_a_room_that_is_here_is_made_here(stage: Stage, zoe: Peer, letter: str) -> None:
    """By Zoe, in the room of her server that Alice is in; Zoe's server gets it like all others."""
    alice, other = await stage.people(f"{letter}lice", f"{letter}nother")
    room = zoe.host("11", "zoe")
    room.make(zoe.user("zoe"), PENDING, pending(), "token")
    await alice.join(room.room_id, via=[zoe.name])
    await alice.sees_section(room.room_id, "join")
    body = binding(other.id, room.room_id, zoe.user("zoe"))
    assert (await on_bind(zoe, alice, body)).status == 200
    await other.sees_section(room.room_id, "invite")
    member = await alice.state(room.room_id, "m.room.member", other.id, format="event")
    assert member["sender"] == zoe.user("zoe")
    assert (await zoe.receives(member["event_id"]))["signatures"].keys() == {alice.at}
    await other.join(room.room_id)
    assert (await on_bind(zoe, alice, body)).status == 200
    await alice.say(room.room_id, "still there?")
    await other.hears(room.room_id, "still there?")
    assert (await alice.members(room.room_id))[other.id] == "join"


async def test_what_an_identity_server_cannot_say(stage: Stage, zoe: Peer) -> None:
    alice = await stage.person("alice")
    room_id = await invites(alice)
    good = binding(alice.id, room_id, alice.id)
    [invite] = good["invites"]
    cases: list[tuple[Any, int]] = [
        ({}, 400),
        ({**good, "mxid": 5}, 400),
        ({**good, "mxid": "alice"}, 400),
        ({**good, "invites": {}}, 400),
        ({**good, "invites": ["x"]}, 400),
        ({**good, "invites": [{}]}, 400),
        ({**good, "invites": [{**invite, "signed": "x"}]}, 400),
        ({**good, "invites": [{**invite, "signed": {**invite["signed"], "mxid": "@another:example.org"}}]}, 400),
        ({**good, "invites": [{**invite, "room_id": "x"}]}, 400),
        ({**good, "invites": [{**invite, "signed": {**invite["signed"], "more": "x" * 40_000}}]}, 400),
        ({**good, "invites": [invite] * 21}, 400),
        (binding(f"@nobody:{alice.at}", room_id, alice.id), 404),
        (binding("@nobody:elsewhere.example", room_id, alice.id), 404),
    ]
    for body, status in cases:
        answer = await on_bind(zoe, alice, body)
        assert (answer.status, body) == (status, body), answer.body


async def test_a_server_that_is_away_is_asked_again(stage: Stage, world: World, zoe: Peer) -> None:
    """The inviting server fails once; then it invites."""
    times: list[str] = []

    async def exchange(inviting: Peer, asked: Asked) -> Any:
        times.append(asked.origin)
        if len(times) == 1:
            return Answer(500, {"errcode": "M_UNKNOWN", "error": "Not now"})
        room = inviting.rooms[asked.at["room"]]
        event = room.make(asked.body["sender"], "m.room.member", asked.body["content"], asked.body["state_key"])
        body = {"room_version": "11", "event": event.pdu, "invite_room_state": shown(room, event.sender)}
        path = f"{V2}/invite/{segment(room.room_id)}/{segment(event.event_id)}"
        await inviting.good(asked.origin, "PUT", path, body)
        return {}

    operation = Operation("exchange", "PUT", f"{V1}/exchange_third_party_invite/{{room}}", exchange)
    async with peer(world.authority, (operation, *OPERATIONS), "127.0.0.11") as inviting:
        alice = await stage.person("alice")
        room = inviting.host("11", "zoe", join_rule="invite")
        room.make(inviting.user("zoe"), PENDING, pending(), "token")
        assert (await on_bind(zoe, alice, binding(alice.id, room.room_id, inviting.user("zoe")))).status == 200
        await alice.sees_section(room.room_id, "invite")
        assert times == [alice.at] * 2
        await alice.join(room.room_id)
        await alice.sees_section(room.room_id, "join")


def test_the_whole_proof_is_passed_on() -> None:
    """What more is in it is signed too."""
    signed = sign_json({"mxid": "@b:example.org", "token": "t", "sender": "@a:example.org"}, "id.example", IDENTITY)
    found = redeemed("!room:example.org", "@a:example.org", "@b:example.org", {"signed": signed}, "invites")
    assert found.room_id == RoomId("!room:example.org")
    assert found.pdu["content"]["third_party_invite"]["signed"] == signed
    with pytest.raises(MatrixError, match="another user"):
        redeemed("!room:example.org", "@a:example.org", "@c:example.org", {"signed": signed}, "invites")
