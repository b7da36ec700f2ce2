"""Traps of docs/traps.md that open only between servers, and that no other test here falls into."""

from typing import Any

import pytest
from unpaddedbase64 import encode_base64

from oriz_matrix.protocol.event_builder import complete
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.hashing import content_hash
from tests.plays.stage import Stage
from tests.support.peer import acts, answers
from tests.support.peer.lies import resigned
from tests.support.peer.peer import V2, Asked, Peer
from tests.support.peer.room import Json, PeerRoom
from tests.support.peer.sharing import Shared, shared
from tests.support.people import Refused, segment


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Shared:
    """On each engine."""
    return await shared(stage, request.param, zoe)


async def settled(scene: Shared, zoe: Peer) -> list[str]:
    """What Alice has heard by the time that one more message of the peer's has come to her, without that one."""
    marker = f"marker {len(scene.room.known)}"
    await zoe.send(scene.alice.at, scene.room.say(zoe.user("zoe"), marker))
    await scene.alice.hears(scene.room.room_id, marker)
    return [text for text in scene.alice.room(scene.room.room_id).texts if not text.startswith("marker")]


async def test_trap_09_what_a_server_says_beside_its_event_is_not_passed_on(scene: Shared, zoe: Peer) -> None:
    event = scene.room.say(zoe.user("zoe"), "hello")
    beside = {
        "age": 5,
        "prev_content": {"body": "x"},
        "transaction_id": "x",
        "membership": "ban",
        "m.relations": {"m.replace": {"event_id": "$x"}},
        "redacted_because": {"type": "m.room.redaction"},
        "replaces_state": "$x",
        "org.example.other": 1,
    }
    await zoe.send(scene.alice.at, {**event.pdu, "unsigned": beside})
    await scene.alice.hears(scene.room.room_id, "hello")
    [seen] = [e for e in scene.alice.room(scene.room.room_id).timeline if e["event_id"] == event.event_id]
    assert seen["content"]["body"] == "hello"
    assert not set(beside) & set(seen["unsigned"]) - {"age", "membership"}
    assert seen["unsigned"].get("membership") in (None, "join")


async def test_trap_09_an_invite_shows_stripped_state(scene: Shared, zoe: Peer) -> None:
    """It comes as whole events, and goes to the client without what does not belong there."""
    room = zoe.host("11", "zoe", join_rule="invite")
    await acts.invite(zoe, scene.alice.at, room, zoe.user("zoe"), scene.alice.id)
    await scene.alice.sees_section(room.room_id, "invite")
    shown = [e for e in scene.alice.room(room.room_id).shown if e["type"] != "m.room.member"]
    assert shown
    assert all(set(event) == {"type", "state_key", "content", "sender"} for event in shown)


async def test_trap_13_the_id_of_a_room_of_version_12_leads_nowhere(scene: Shared, zoe: Peer) -> None:
    room = zoe.host("12", "zoe")
    assert ":" not in room.room_id
    with pytest.raises(Refused) as caught:
        await scene.alice.join(room.room_id)
    assert caught.value.status == 404
    assert zoe.times("make_join") == 0
    await scene.alice.join(room.room_id, via=[zoe.name])


async def test_trap_16_who_is_shut_out_is_not_heard_at_all(scene: Shared, zoe: Peer) -> None:
    alice, room_id = scene.alice, scene.room.room_id
    acl = {"allow": ["*"], "deny": ["127.0.0.9"], "allow_ip_literals": True}
    acl_id = await alice.set_state(room_id, "m.room.server_acl", acl)
    await zoe.receives(acl_id)
    event = scene.room.say(zoe.user("zoe"), "let me in")
    typing = {"room_id": room_id, "user_id": zoe.user("zoe"), "typing": True}
    said = await zoe.send(alice.at, event, edus=[{"edu_type": "m.typing", "content": typing}])
    assert "error" in said[event.event_id]
    await alice.set_state(room_id, "m.room.server_acl", {**acl, "deny": []})
    await alice.say(room_id, "open")
    await alice.hears(room_id, "open")
    assert "let me in" not in alice.room(room_id).texts
    assert alice.room(room_id).typing == []


async def test_trap_17_what_cites_a_rejected_event_is_rejected(scene: Shared, zoe: Peer) -> None:
    """But not what merely follows upon it."""
    room, her = scene.room, zoe.user("zoe")
    state = room.state()
    seized = {"users": {her: 100}}
    rejected = room.make(her, "m.room.power_levels", seized, "", keep=False)
    _follows(room, rejected)
    auth = [state["m.room.create", ""], rejected.event_id, state["m.room.member", her]]
    cites = room.make(her, "m.room.topic", {"topic": "mine"}, "", auth=auth, keep=False)
    _follows(room, cites)
    await zoe.send(scene.alice.at, rejected, cites)
    assert await settled(scene, zoe) == []
    now = await scene.alice.whole_state(room.room_id)
    assert ("m.room.topic", "") not in now
    assert now["m.room.power_levels", ""]["sender"] == scene.alice.id


def _follows(room: PeerRoom, event: Event) -> None:
    """Puts an event into the graph that changes nothing there."""
    state = room.state()
    room.known[event.event_id], room.after[event.event_id], room.heads = event, state, [event.event_id]


async def test_trap_19_depth_and_time_order_nothing(scene: Shared, zoe: Peer) -> None:
    """They are what the sender says. What is told is in the order in which it came and cites each other."""
    her = zoe.user("zoe")
    said = [("late", {"depth": 2**53 - 1}), ("early", {"depth": 1, "origin_server_ts": 1}), ("last", {"depth": 2})]
    events = [scene.room.say(her, text, **lie) for text, lie in said]
    await zoe.send(scene.alice.at, *events)
    assert await settled(scene, zoe) == ["late", "early", "last"]
    back = await scene.alice.history(scene.room.room_id)
    heard = [e["content"].get("body") for e in reversed(back) if e["type"] == "m.room.message"]
    assert heard[:3] == ["late", "early", "last"]
    mine = await scene.alice.say(scene.room.room_id, "still here")
    assert (await zoe.receives(mine))["depth"] <= 2**53 - 1


async def test_trap_21_a_state_that_another_server_tells_is_judged(scene: Shared, zoe: Peer) -> None:
    """Behind a hole the state is asked for; what nobody was allowed to set is no part of it."""
    room, her = scene.room, zoe.user("zoe")
    forged = room.make(her, "m.room.name", {"name": "mine"}, "")
    zoe.instead["get_missing_events"] = {"events": []}
    last = room.say(her, "the other side", prev=[room.say(her, "in the hole")])
    await zoe.send(scene.alice.at, last)
    await scene.alice.hears(room.room_id, "the other side")
    told = [each for each in zoe.asked if each.operation in ("state", "state_ids")]
    assert told
    assert room.before(last.event_id)["m.room.name", ""] == forged.event_id
    assert ("m.room.name", "") not in await scene.alice.whole_state(room.room_id)


def _restricted(zoe: Peer, club: str) -> PeerRoom:
    room = zoe.host("10", "zoe")
    allow = [{"type": "m.room_membership", "room_id": club}]
    room.make(zoe.user("zoe"), "m.room.join_rules", {"join_rule": "restricted", "allow": allow}, "")
    return room


async def test_trap_26_a_restricted_join_bears_both_signatures(scene: Shared, zoe: Peer) -> None:
    room = _restricted(zoe, scene.room.room_id)
    await scene.alice.join(room.room_id, via=[zoe.name])
    join = await zoe.good(scene.alice.at, "GET", _event_path(await _join_of(scene, room)))
    [pdu] = join["pdus"]
    assert set(pdu["signatures"]) == {scene.alice.at, zoe.name}
    assert pdu["content"]["join_authorised_via_users_server"] == zoe.user("zoe")


async def test_trap_26_without_the_second_signature_there_is_no_join(scene: Shared, zoe: Peer) -> None:
    """Every other server would reject it."""
    room = _restricted(zoe, scene.room.room_id)

    async def unsigned(peer: Peer, asked: Asked) -> Any:
        good = await answers.send_join(peer, asked)
        return {**good, "event": asked.body}

    zoe.instead["send_join"] = unsigned
    with pytest.raises(Refused) as caught:
        await scene.alice.join(room.room_id, via=[zoe.name])
    assert caught.value.status in (403, 502)


async def _join_of(scene: Shared, room: PeerRoom) -> str:
    state = await scene.alice.whole_state(room.room_id)
    event_id: str = state["m.room.member", scene.alice.id]["event_id"]
    return event_id


def _event_path(event_id: str) -> str:
    return f"/_matrix/federation/v1/event/{segment(event_id)}"


async def test_trap_28_a_join_is_answered_with_all_members(scene: Shared, zoe: Peer) -> None:
    """Also where they are not wanted: joins in parts are not offered yet."""
    alice, room_id = scene.alice, scene.room.room_id
    made = await zoe.good(
        alice.at, "GET", _path("make_join", room_id, zoe.user("zed")), query=[("ver", scene.room.version.name)]
    )
    event = complete(made["event"], scene.room.version, zoe.name, zoe.key)
    path = f"{V2}/send_join/{segment(room_id)}/{segment(event.event_id)}"
    answer = await zoe.good(alice.at, "PUT", path, event.pdu, query=[("omit_members", "true")])
    assert answer["members_omitted"] is False
    members = {pdu["state_key"] for pdu in answer["state"] if pdu["type"] == "m.room.member"}
    assert members == {alice.id, zoe.user("zoe")}


async def test_trap_28_a_state_without_its_members_is_refused(scene: Shared, zoe: Peer) -> None:
    """This server never asks for one: it would not know whom to tell what."""
    room = zoe.host("11", "zoe")

    async def partly(peer: Peer, asked: Asked) -> Any:
        good = await answers.send_join(peer, asked)
        state = [pdu for pdu in good["state"] if pdu["type"] != "m.room.member"]
        return {**good, "state": state, "members_omitted": True}

    zoe.instead["send_join"] = partly
    with pytest.raises(Refused) as caught:
        await scene.alice.join(room.room_id, via=[zoe.name])
    assert caught.value.status == 502
    assert all(dict(each.query).get("omit_members") == ["false"] for each in zoe.asked if each.operation == "send_join")


def _path(operation: str, room_id: str, user_id: str) -> str:
    return f"/_matrix/federation/v1/{operation}/{segment(room_id)}/{segment(user_id)}"


async def test_trap_29_what_only_has_too_many_bytes_holds_up_nothing(stage: Stage, zoe: Peer) -> None:
    """In old rooms others took it; it is rejected, and what follows upon it comes all the same."""
    alice = await stage.person("alice")
    room_id = await alice.create_room(preset="public_chat", room_version="10")
    room = await acts.join(zoe, alice.at, room_id, "zoe")
    short = room.say(zoe.user("zoe"), "x", keep=False)
    pdu = {**short.pdu, "type": "é" * 200}
    long = resigned(short, zoe, type=pdu["type"], hashes={"sha256": encode_base64(content_hash(pdu))})
    room.add(long)
    assert await zoe.send(alice.at, long) == {long.event_id: {}}
    await zoe.send(alice.at, room.say(zoe.user("zoe"), "afterwards"))
    await alice.hears(room_id, "afterwards")
    assert zoe.times("get_missing_events") == 0
    assert long.event_id not in [event["event_id"] for event in alice.room(room_id).timeline]


@pytest.mark.parametrize("first", ["redaction", "message"])
async def test_trap_41_who_may_redact_here_may_not_redact_there(stage: Stage, zoe: Peer, first: str) -> None:
    """Zoe has the power in her own room, and names an event of Alice's room, whichever comes first."""
    alice = await stage.person("alice")
    theirs = await acts.join(zoe, alice.at, await stage.public_room(alice), "zoe")
    hers = zoe.host(stage.version, "zoe")
    await alice.join(hers.room_id, via=[zoe.name])
    slip = theirs.say(zoe.user("zoe"), "said there")
    redaction = hers.make(zoe.user("zoe"), "m.room.redaction", {"redacts": slip.event_id})
    for event in (redaction, slip) if first == "redaction" else (slip, redaction):
        await zoe.send(alice.at, event)
        if event is slip:
            await alice.hears(theirs.room_id, "said there")
    await zoe.send(alice.at, hers.say(zoe.user("zoe"), "done"))
    await alice.hears(hers.room_id, "done")
    seen: Json = await alice.event(theirs.room_id, slip.event_id)
    assert seen["content"]["body"] == "said there"


async def test_trap_43_nobody_reads_for_others(scene: Shared, zoe: Peer) -> None:
    """Neither for users of another server, nor for those of one's own who are not in the room."""
    alice, room_id, her = scene.alice, scene.room.room_id, zoe.user("zoe")
    event = scene.room.say(her, "read this")
    await zoe.send(alice.at, event)
    await alice.hears(room_id, "read this")
    for user in (alice.id, zoe.user("stranger"), her):
        read = {room_id: {"m.read": {user: {"event_ids": [event.event_id], "data": {"ts": 1}}}}}
        await zoe.send(alice.at, edus=[{"edu_type": "m.receipt", "content": read}])
    await alice.sees(lambda: (event.event_id, her) in alice.room(room_id).receipts, "the receipt")
    assert alice.room(room_id).receipts == {(event.event_id, her)}
