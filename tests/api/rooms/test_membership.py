"""Entering and leaving rooms: join, leave, invite, joined_rooms, and all memberships by PUT of a member event."""

import pytest

from tests.support.homeserver import Home, refused

UNKNOWN = "!unknown:example.org"


async def test_join_by_id_and_by_alias_on_both_paths(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat", room_alias_name="tea")
    assert await bob.join("#tea:example.org", reason="thirst") == room
    assert await bob.join(room) == room, "who is in already stays in"
    assert (await carol.in_room(room, "POST", "join"))["room_id"] == room
    assert (await bob.state(room, "m.room.member", bob.id))["reason"] == "thirst"
    assert (await bob.state(room, "m.room.member", bob.id))["displayname"] == "bob"
    assert (await bob.request("GET", "/v3/joined_rooms"))["joined_rooms"] == [room]


async def test_via_servers_are_taken_and_not_needed(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.request("POST", f"/v3/join/{room}?via=a.example&via=b.example&server_name=c.example", {})


async def test_a_second_join_is_no_second_event(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await bob.sync()
    await bob.join(room)
    assert not (await bob.sync()).rooms


async def test_rooms_that_are_not_there(home: Home) -> None:
    alice = await home.user("alice")
    with refused(404, "M_NOT_FOUND"):
        await alice.join(UNKNOWN)
    with refused(404, "M_NOT_FOUND", "#tea:example.org"):
        await alice.join("#tea:example.org")
    with refused(404, "M_NOT_FOUND"):
        await alice.join("#tea:elsewhere.example")
    with refused(400, "M_INVALID_PARAM", "room"):
        await alice.join("tea")
    with refused(404, "M_NOT_FOUND"):
        await alice.leave(UNKNOWN)
    with refused(400, "M_INVALID_PARAM", "room_id"):
        await alice.leave("tea")


async def test_a_private_room_wants_an_invite(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room()
    with refused(403, "M_FORBIDDEN"):
        await bob.join(room)
    await alice.invite(room, bob, reason="we have tea")
    assert (await alice.state(room, "m.room.member", bob.id))["reason"] == "we have tea"
    await bob.join(room)
    await bob.invite(room, carol)
    assert (await alice.members(room))[carol.id] == "invite"


async def test_who_may_not_invite(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(power_level_content_override={"invite": 50})
    with refused(403, "M_FORBIDDEN"):
        await bob.invite(room, carol)
    await alice.invite(room, bob)
    await bob.join(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.invite(room, carol)
    with refused(403, "M_FORBIDDEN"):
        await alice.invite(room, bob)


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({"user_id": "@nobody:example.org"}, 404, "M_NOT_FOUND"),
        ({"user_id": "bob"}, 400, "M_INVALID_PARAM"),
        ({"user_id": 7}, 400, "M_BAD_JSON"),
        ({"user_id": "@bob:elsewhere.example"}, 403, "M_FORBIDDEN"),
        ({"id_server": "x", "medium": "email", "address": "a@example.org"}, 403, "M_FORBIDDEN"),
        ({}, 400, "M_MISSING_PARAM"),
        ({"user_id": "@bob:example.org", "reason": 5}, 400, "M_BAD_JSON"),
    ],
)
async def test_invites_that_name_nobody(home: Home, body: object, status: int, errcode: str) -> None:
    alice, _ = await home.users("alice", "bob")
    room = await alice.create_room()
    with refused(status, errcode):
        await alice.in_room(room, "POST", "invite", body)


async def test_a_repeated_invite_is_no_second_event(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room()
    await alice.invite(room, bob)
    await alice.sync()
    await alice.invite(room, bob)
    assert not (await alice.sync()).rooms


async def test_leaving(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await bob.leave(room, reason="late")
    await bob.leave(room)
    assert (await alice.state(room, "m.room.member", bob.id)) == {"membership": "leave", "reason": "late"}
    with refused(403, "M_FORBIDDEN"):
        await bob.say(room, "one more thing")
    with refused(403, "M_FORBIDDEN"):
        await carol.leave(room)
    await bob.join(room)
    assert (await alice.members(room, membership="join")).keys() == {alice.id, bob.id}


async def test_an_invite_can_be_turned_down_and_taken_back(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room()
    await alice.invite(room, bob)
    await bob.leave(room)
    await alice.invite(room, bob)
    await alice.set_member(room, bob, "leave")
    with refused(403, "M_FORBIDDEN"):
        await bob.join(room)


async def test_kick_ban_and_unban(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await carol.join(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.set_member(room, carol, "leave")
    with refused(403, "M_FORBIDDEN"):
        await bob.set_member(room, alice, "ban")
    await alice.set_member(room, bob, "leave", reason="rude")
    await bob.join(room)
    await alice.set_member(room, bob, "ban", reason="very rude")
    with refused(403, "M_FORBIDDEN"):
        await bob.join(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.leave(room)
    with refused(403, "M_FORBIDDEN"):
        await alice.invite(room, bob)
    with refused(403, "M_FORBIDDEN"):
        await carol.set_member(room, bob, "leave")
    await alice.set_member(room, bob, "leave")
    await bob.join(room)


async def test_nobody_is_joined_by_others(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    with refused(403, "M_FORBIDDEN"):
        await alice.set_member(room, bob, "join")


async def test_join_by_state_keeps_what_the_client_says(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.set_member(room, bob, "join", displayname="Bobby", **{"org.example.hat": "red"})
    content = await alice.state(room, "m.room.member", bob.id)
    assert content == {"membership": "join", "displayname": "Bobby", "org.example.hat": "red"}


@pytest.mark.parametrize(
    ("user", "content", "status", "errcode"),
    [
        ("bob", {"membership": "join"}, 400, "M_INVALID_PARAM"),
        ("@alice:example.org", {}, 400, "M_BAD_JSON"),
        ("@alice:example.org", {"membership": 1}, 400, "M_BAD_JSON"),
        ("@alice:example.org", {"membership": "dancing"}, 400, "M_BAD_JSON"),
        ("@nobody:example.org", {"membership": "invite"}, 404, "M_NOT_FOUND"),
        ("", {"membership": "join"}, 400, "M_INVALID_PARAM"),
    ],
)
async def test_member_events_that_say_nothing(
    home: Home, user: str, content: dict[str, object], status: int, errcode: str
) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(status, errcode):
        await alice.set_state(room, "m.room.member", content, user)


async def test_knocking(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(name="Tea")
    with refused(403, "M_FORBIDDEN"):
        await bob.set_member(room, bob, "knock")
    await alice.set_state(room, "m.room.join_rules", {"join_rule": "knock"})
    await bob.set_member(room, bob, "knock", reason="please")
    with refused(403, "M_FORBIDDEN"):
        await bob.join(room)
    knock = (await bob.sync()).knock(room)
    assert knock is not None
    shown = {(event["type"], event["state_key"]): event for event in knock}
    assert shown["m.room.name", ""]["content"] == {"name": "Tea"}
    assert shown["m.room.member", bob.id]["content"]["reason"] == "please"
    await alice.invite(room, bob)
    assert (await bob.sync()).sections(room) == ["invite"]
    await bob.join(room)
    await carol.set_member(room, carol, "knock")
    await carol.sync()
    await alice.set_member(room, carol, "leave", reason="full")
    assert (await carol.sync()).sections(room) == ["leave"]


async def test_restricted_rooms_open_by_membership_elsewhere(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    club = await alice.create_room(preset="public_chat")
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": club}]}
    room = await alice.create_room(initial_state=[{"type": "m.room.join_rules", "content": rule}])
    await bob.join(club)
    await bob.join(room)
    assert (await bob.state(room, "m.room.member", bob.id))["join_authorised_via_users_server"] == alice.id
    with refused(403, "M_FORBIDDEN"):
        await carol.join(room)
    with refused(403, "M_FORBIDDEN"):
        await carol.set_member(room, carol, "join", join_authorised_via_users_server=alice.id)


async def test_what_a_join_says_besides_is_in_its_event(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    odd = {"org.example.from": "a poster", "membership": "ban", "join_authorised_via_users_server": alice.id}
    await bob.join(room, reason="tea", **odd)
    content = await alice.state(room, "m.room.member", bob.id)
    assert content == {"membership": "join", "displayname": "bob", "reason": "tea", "org.example.from": "a poster"}
    await carol.in_room(room, "POST", "join", None)
    assert (await alice.state(room, "m.room.member", carol.id))["membership"] == "join"
    for body in ({"reason": 5}, {"third_party_signed": "x"}):
        with refused(400, "M_BAD_JSON", next(iter(body))):
            await bob.in_room(room, "POST", "join", body)
