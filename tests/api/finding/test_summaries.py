"""Summaries of rooms: for members, for strangers, for nobody in particular, of rooms elsewhere."""

from typing import Any

import pytest

from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.storage import interning, rooms
from oriz_matrix.storage.transaction import Transaction
from tests.support.homeserver import Home, Json, User, refused
from tests.support.in_process import SERVER_NAME, Answer
from tests.support.other_server import OtherServer
from tests.support.people import segment

ROOM = "!there:b.org"
THERE: Json = {
    "room_id": ROOM,
    "name": "There",
    "num_joined_members": 2,
    "world_readable": False,
    "guest_can_join": False,
    "join_rule": "public",
    "room_version": "12",
    "encryption": "m.megolm.v1.aes-sha2",
}
PATHS = ("/v1/room_summary/{}", "/unstable/im.nheko.summary/summary/{}", "/unstable/im.nheko.summary/rooms/{}/summary")


async def summary(user: User, room: str, **query: Any) -> Json:
    found: Json = await user.request("GET", PATHS[0].format(segment(room)), **query)
    return found


def level(room: Json) -> Json:
    return {"room": {**room, "children_state": []}, "children": [], "inaccessible_children": []}


async def test_a_summary_says_what_a_room_shows(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    encryption = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    room = await alice.create_room(
        preset="public_chat", name="Tea", topic="Leaves", room_alias_name="tea", initial_state=[encryption]
    )
    shown = {
        "room_id": room,
        "name": "Tea",
        "topic": "Leaves",
        "canonical_alias": f"#tea:{SERVER_NAME}",
        "num_joined_members": 1,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "12",
    }
    for path in PATHS:
        for name in (room, f"#tea:{SERVER_NAME}"):
            assert await alice.request("GET", path.format(segment(name))) == {**shown, "membership": "join"}
            assert await bob.request("GET", path.format(segment(name))) == {**shown, "membership": "leave"}
            assert (await home.server.ask("GET", path.format(segment(name)))).body == shown
    guest = await home.guest()
    assert (await summary(guest, room))["membership"] == "leave"


async def test_only_who_may_see_the_room_gets_it(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="private_chat", name="Tea")
    path = PATHS[0].format(segment(room))
    with refused(404, "M_NOT_FOUND"):
        await summary(bob, room)
    assert (await home.server.ask("GET", path)).status == 404
    await alice.invite(room, bob)
    assert (await summary(bob, room))["membership"] == "invite"
    assert (await home.server.ask("GET", path)).status == 404
    await alice.set_state(room, "m.room.join_rules", {"join_rule": "knock"})
    assert (await home.server.ask("GET", path)).body["join_rule"] == "knock"
    await bob.join(room)
    await alice.moderate(room, "ban", bob)
    with refused(404, "M_NOT_FOUND"):
        await summary(bob, room)
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert (await summary(bob, room))["membership"] == "ban"


@pytest.mark.parametrize("name", ["tea", "@a:example.org", "!", "#tea", "%20"])
async def test_what_is_no_room_is_refused(home: Home, name: str) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM", "roomIdOrAlias"):
        await summary(alice, name)
    with refused(400, "M_INVALID_PARAM", "via"):
        await summary(alice, "!a:b", via="no server")


async def test_rooms_elsewhere_are_asked_of_those_who_know_them(
    home: Home, them: OtherServer, others: OtherServer
) -> None:
    alice = await home.user("alice")
    with refused(404, "M_NOT_FOUND"):
        await summary(alice, ROOM)
    them.answers(f"/hierarchy/{ROOM}", Answer(404, {"errcode": "M_NOT_FOUND"}))
    others.answers(f"/hierarchy/{ROOM}", level(THERE))
    path = f"{PATHS[0].format(segment(ROOM))}?via={them.name}&via={others.name}"
    assert await alice.request("GET", path) == {**THERE, "membership": "leave"}
    assert (len(them.asked(f"/hierarchy/{ROOM}")), len(others.asked(f"/hierarchy/{ROOM}"))) == (1, 1)
    alias = f"#there:{them.name}"
    them.answers("/query/directory", {"room_id": ROOM, "servers": [SERVER_NAME, others.name]})
    assert (await summary(alice, alias))["name"] == "There"


async def test_who_is_nobody_here_makes_us_ask_no_one(home: Home, them: OtherServer) -> None:
    them.answers(f"/hierarchy/{ROOM}", level(THERE))
    answer = await home.server.ask("GET", f"{PATHS[0].format(segment(ROOM))}?via={them.name}")
    assert (answer.status, answer.body["errcode"], them.stranger.seen) == (404, "M_NOT_FOUND", [])


async def test_what_others_show_is_for_those_who_may_come_in(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    allowed = await alice.create_room()
    cases: list[tuple[Json, bool]] = [
        ({"join_rule": "invite"}, False),
        ({"join_rule": "invite", "world_readable": True}, True),
        ({"join_rule": "restricted", "allowed_room_ids": ["!else:b.org"]}, False),
        ({"join_rule": "restricted", "allowed_room_ids": [allowed, 5]}, True),
        ({"join_rule": "knock_restricted"}, True),
        ({"join_rule": 5}, True),  # absent means public
    ]
    for number, (change, seen) in enumerate(cases):
        room = f"!room{number}:b.org"
        them.answers(f"/hierarchy/{room}", level({**THERE, "room_id": room, **change}))
        if seen:
            assert (await summary(alice, room, via=them.name))["room_id"] == room
        else:
            with refused(404, "M_NOT_FOUND"):
                await summary(alice, room, via=them.name)


def _show(tx: Transaction, user_id: str, server: str) -> None:
    """A server has invited a user to a room that it is in."""
    room = rooms.create(tx, RoomId(ROOM), ROOM_VERSIONS["12"]).nid
    sql = "INSERT INTO shown_states (user_nid, room, server, body) VALUES (:user, :room, :server, :body)"
    tx.run(sql, user=interning.user(tx, UserId(user_id)), room=room, server=server, body=b"[]")


async def test_who_has_invited_somebody_is_asked(home: Home, them: OtherServer) -> None:
    alice, bob = await home.users("alice", "bob")
    them.answers(f"/hierarchy/{ROOM}", level(THERE))
    await home.server.server.database.write(_show, alice.id, them.name)
    assert (await summary(alice, ROOM))["name"] == "There"
    walked = await alice.request("GET", f"/v1/rooms/{segment(ROOM)}/hierarchy")
    assert [room["name"] for room in walked["rooms"]] == ["There"]
    with refused(404, "M_NOT_FOUND"):
        await summary(bob, ROOM)
