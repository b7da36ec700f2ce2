"""Invites between a server and a peer, in both directions, and what each believes of the other's."""

import asyncio
from itertools import islice
from typing import Any

import pytest

from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.plays.person import Person
from tests.plays.stage import Stage, agree
from tests.support.in_process import Answer
from tests.support.peer import acts, answers
from tests.support.peer.answers import shown
from tests.support.peer.peer import V1, V2, Asked, Peer
from tests.support.peer.room import Json, PeerRoom
from tests.support.people import Refused, segment


@pytest.fixture(params=["a", "b"])
async def alice(request: pytest.FixtureRequest, stage: Stage) -> Person:
    """Somebody on each engine."""
    return await stage.person(f"{request.param}lice")


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_alice_is_invited_and_joins(alice: Person, zoe: Peer, version: str) -> None:
    room = zoe.host(version, "zoe", join_rule="invite")
    await acts.invite(zoe, alice.at, room, zoe.user("zoe"), alice.id)
    await alice.sees_section(room.room_id, "invite")
    assert {event["type"] for event in alice.room(room.room_id).shown} >= {"m.room.create", "m.room.member"}
    await alice.join(room.room_id)
    await alice.sees_section(room.room_id, "join")
    assert {key: e["event_id"] for key, e in (await agree(room.room_id, alice)).items()} == room.state()


@pytest.mark.parametrize("is_invited_again", [True, False])
async def test_who_names_a_wrong_version_first_keeps_nobody_out(
    alice: Person, zoe: Peer, is_invited_again: bool
) -> None:
    room, lie = zoe.host("11", "zoe"), zoe.host("2", "zoe")
    lie.room_id = room.room_id
    await acts.invite(zoe, alice.at, lie, zoe.user("zoe"), alice.id)
    await alice.sees_section(room.room_id, "invite")
    if is_invited_again:
        await acts.invite(zoe, alice.at, room, zoe.user("zoe"), alice.id)
    await alice.join(room.room_id, via=[zoe.name])
    await alice.sees_section(room.room_id, "join")
    await zoe.send(alice.at, room.say(zoe.user("zoe"), "welcome"))
    await alice.hears(room.room_id, "welcome")
    with pytest.raises(AssertionError, match="room_version"):
        await acts.invite(zoe, alice.at, lie, zoe.user("zoe"), alice.id)


async def test_alice_turns_it_down(alice: Person, zoe: Peer) -> None:
    room = zoe.host("11", "zoe", join_rule="invite")
    await acts.invite(zoe, alice.at, room, zoe.user("zoe"), alice.id)
    await alice.sees_section(room.room_id, "invite")
    await alice.leave(room.room_id)
    await alice.sees_section(room.room_id, "leave")
    membership = room.current("m.room.member", alice.id)
    assert membership is not None
    assert membership.content["membership"] == "leave"


async def test_alice_turns_it_down_though_the_peer_fails(alice: Person, zoe: Peer) -> None:
    room = zoe.host("11", "zoe", join_rule="invite")
    await acts.invite(zoe, alice.at, room, zoe.user("zoe"), alice.id)
    await alice.sees_section(room.room_id, "invite")
    zoe.instead["make_leave"] = answers.refusal(500, "M_UNKNOWN")
    await alice.leave(room.room_id)
    await alice.sees_section(room.room_id, "leave")


def _forged(pdu: Json) -> None:
    pdu["signatures"] = {next(iter(pdu["signatures"])): {"ed25519:peer": "A" * 86}}


LIES: list[Any] = [
    lambda pdu: pdu.update(type="m.room.message"),
    lambda pdu: pdu.update(content={"membership": "join"}),
    lambda pdu: pdu.update(state_key="@somebody:elsewhere.test"),
    lambda pdu: pdu.pop("state_key"),
    lambda pdu: pdu.update(room_id="!other:elsewhere.test"),
    lambda pdu: pdu.update(sender="@somebody:elsewhere.test"),
    lambda pdu: pdu.pop("signatures"),
    _forged,
]


@pytest.mark.parametrize("lie", range(len(LIES)))
async def test_trap_27_what_is_no_invite_is_not_signed(alice: Person, zoe: Peer, lie: int) -> None:
    room = zoe.host("11", "zoe", join_rule="invite")
    event = room.make(zoe.user("zoe"), "m.room.member", {"membership": "invite"}, alice.id, keep=False)
    pdu = dict(event.pdu)
    LIES[lie](pdu)
    body = {"room_version": "11", "event": pdu, "invite_room_state": shown(room, zoe.user("zoe"))}
    path = f"{V2}/invite/{segment(room.room_id)}/{segment(event.event_id)}"
    answer = await zoe.ask(alice.at, "PUT", path, body)
    assert answer.status in (400, 403), answer
    assert room.room_id not in (await alice.sync_anew()).rooms


async def test_an_invite_in_an_unknown_version_is_refused(alice: Person, zoe: Peer) -> None:
    room = zoe.host("11", "zoe", join_rule="invite")
    event = room.make(zoe.user("zoe"), "m.room.member", {"membership": "invite"}, alice.id, keep=False)
    body = {"room_version": "x.unheard-of", "event": event.pdu, "invite_room_state": []}
    path = f"{V2}/invite/{segment(room.room_id)}/{segment(event.event_id)}"
    answer = await zoe.ask(alice.at, "PUT", path, body)
    assert (answer.status, answer.body["errcode"]) == (400, "M_INCOMPATIBLE_ROOM_VERSION")


async def test_alice_invites_and_zoe_joins(alice: Person, zoe: Peer, stage: Stage) -> None:
    room_id = await stage.private_room(alice)
    await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    invited = zoe.invites[room_id]
    assert set(invited.pdu["signatures"]) == {alice.at, zoe.name}
    await acts.join(zoe, alice.at, room_id, "zoe")
    await alice.sees_member(room_id, zoe.user("zoe"), "join")


async def test_zoe_turns_it_down(alice: Person, zoe: Peer, stage: Stage) -> None:
    room_id = await stage.private_room(alice)
    await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    await acts.leave(zoe, alice.at, room_id, "zoe")
    assert (await alice.members(room_id))[zoe.user("zoe")] == "leave"


async def test_an_invite_that_the_peer_refuses_is_none(alice: Person, zoe: Peer, stage: Stage) -> None:
    room_id = await stage.private_room(alice)
    zoe.instead["invite"] = answers.refusal(403, "M_FORBIDDEN")
    with pytest.raises(Refused) as caught:
        await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    assert caught.value.status in (400, 403, 502), caught.value
    assert zoe.user("zoe") not in await alice.members(room_id)


@pytest.mark.parametrize("answered", [None, {}, "event", {"depth": 1.5}])
async def test_an_answer_that_is_no_event_is_told_as_such(
    alice: Person, zoe: Peer, stage: Stage, answered: Any
) -> None:
    room_id = await stage.private_room(alice)

    async def change(peer: Peer, asked: Asked) -> Any:
        good = await answers.invite(peer, asked)
        return {"event": {**good["event"], **answered} if answered and isinstance(answered, dict) else answered}

    zoe.instead["invite"] = change
    with pytest.raises(Refused) as caught:
        await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    assert (caught.value.status, caught.value.errcode) == (400, "M_BAD_JSON")
    assert zoe.user("zoe") not in await alice.members(room_id)


async def test_trap_27_the_peer_cannot_change_the_invite(alice: Person, zoe: Peer, stage: Stage) -> None:
    """What stands is what Alice's server has signed."""
    room_id = await stage.private_room(alice)

    async def change(peer: Peer, asked: Asked) -> Any:
        good = await answers.invite(peer, asked)
        return {"event": {**good["event"], "content": {"membership": "invite", "displayname": "Mallory"}}}

    zoe.instead["invite"] = change
    try:
        await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    except Refused as refusal:
        assert refusal.status in (400, 403, 502)  # noqa: PT017
    assert "Mallory" not in str(await alice.whole_state(room_id))


async def test_who_comes_while_the_invite_is_still_under_way_is_let_in(alice: Person, zoe: Peer) -> None:
    """The peer's user has the invite before its answer is stored here, and joins at once."""
    room_id = await alice.create_room(preset="private_chat")
    coming: list[asyncio.Task[PeerRoom]] = []

    async def tell_at_once(peer: Peer, asked: Asked) -> Any:
        coming.append(asyncio.create_task(acts.join(peer, alice.at, room_id, "zoe")))
        await asyncio.sleep(0.3)  # the request for a template is there long before the invite
        assert not coming[0].done()
        return await answers.invite(peer, asked)

    zoe.instead["invite"] = tell_at_once
    await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    await coming[0]
    await alice.sees_member(room_id, zoe.user("zoe"), "join")


async def test_who_is_kept_waiting_for_an_invite_that_fails_is_refused(alice: Person, zoe: Peer) -> None:
    room_id = await alice.create_room(preset="private_chat")
    coming: list[asyncio.Task[PeerRoom]] = []

    async def refuse(peer: Peer, asked: Asked) -> Any:
        coming.append(asyncio.create_task(acts.join(peer, alice.at, room_id, "zoe")))
        await asyncio.sleep(0.3)
        return answers.refusal(403, "M_FORBIDDEN")

    zoe.instead["invite"] = refuse
    with pytest.raises(Refused):
        await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    with pytest.raises(AssertionError, match="M_FORBIDDEN"):
        await coming[0]


async def test_of_those_who_come_before_their_invite_few_are_kept_waiting(alice: Person, zoe: Peer) -> None:
    """A peer that does not answer to the invite cannot make the server hold as many requests as it likes."""
    room_id = await alice.create_room(preset="private_chat")
    template = f"{V1}/make_join/{segment(room_id)}/{segment(zoe.user('zoe'))}"
    asking: list[asyncio.Task[Answer]] = []

    async def hold(peer: Peer, asked: Asked) -> Any:
        asking.extend(
            asyncio.create_task(peer.ask(alice.at, "GET", template, query=acts.KNOWN_VERSIONS)) for _ in range(20)
        )
        async with asyncio.timeout(20):
            for refused in islice(asyncio.as_completed(asking), 17):
                await refused
        return await answers.invite(peer, asked)

    zoe.instead["invite"] = hold
    await alice.in_room(room_id, "POST", "invite", {"user_id": zoe.user("zoe")})
    statuses = [(await one).status for one in asking]
    assert (statuses.count(200), statuses.count(403)) == (3, 17)
