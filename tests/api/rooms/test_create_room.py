"""POST /createRoom: every parameter, preset and room version."""

from typing import Any

import pytest

from tests.support.homeserver import Home, User, refused

VERSIONS = [str(number) for number in range(1, 13)]

PRESETS = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}


JOIN = {"membership": "join"}


async def contents(user: User, room: str) -> dict[str, Any]:
    """The room's state with an empty key: contents by type."""
    state = await user.whole_state(room)
    return {kind: event["content"] for (kind, key), event in state.items() if key == ""}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_version_can_be_created_and_used(home: Home, version: str) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(room_version=version, invite=[bob.id])
    await bob.join(room)
    sent = await bob.say(room, "hello")
    create = (await alice.whole_state(room))["m.room.create", ""]
    assert create["content"]["room_version"] == version
    assert create["room_id"] == room
    assert create["content"].get("creator") == (alice.id if int(version) <= 10 else None)
    assert room == f"!{create['event_id'][1:]}" if version == "12" else room.endswith(":example.org")
    await alice.redact(room, sent)
    assert (await bob.event(room, sent))["content"] == {}
    levels = await alice.state(room, "m.room.power_levels")
    assert levels["users"] == ({} if version == "12" else {alice.id: 100})


async def test_the_default_is_version_12(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    assert (await alice.state(room, "m.room.create"))["room_version"] == "12"


@pytest.mark.parametrize("preset", PRESETS)
async def test_presets(home: Home, preset: str) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset=preset, invite=[bob.id], room_version="11")
    state = await contents(alice, room)
    rule, visibility, guests = PRESETS[preset]
    assert state["m.room.join_rules"] == {"join_rule": rule}
    assert state["m.room.history_visibility"] == {"history_visibility": visibility}
    assert state["m.room.guest_access"] == {"guest_access": guests}
    powerful = {alice.id: 100} | ({bob.id: 100} if preset == "trusted_private_chat" else {})
    assert state["m.room.power_levels"]["users"] == powerful


@pytest.mark.parametrize(("visibility", "rule"), [("public", "public"), ("private", "invite"), (None, "invite")])
async def test_without_a_preset_the_visibility_decides(home: Home, visibility: str | None, rule: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(**({} if visibility is None else {"visibility": visibility}))
    assert await alice.state(room, "m.room.join_rules") == {"join_rule": rule}


async def test_trusted_invitees_are_creators_in_version_12(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(
        preset="trusted_private_chat",
        invite=[bob.id, carol.id],
        creation_content={"additional_creators": [carol.id]},
    )
    state = await contents(alice, room)
    assert state["m.room.create"]["additional_creators"] == [carol.id, bob.id]
    assert state["m.room.power_levels"]["users"] == {}
    await bob.join(room)
    await bob.set_state(room, "m.room.name", {"name": "Bob's"})


async def test_version_12_needs_more_for_a_tombstone_than_for_other_state(home: Home) -> None:
    alice = await home.user("alice")
    levels = await alice.state(await alice.create_room(), "m.room.power_levels")
    assert levels["events"]["m.room.tombstone"] > levels["state_default"]
    assert levels["events"]["m.room.tombstone"] > 100


async def test_everything_asked_for_stands_in_the_room_in_the_specified_order(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(
        name="Tea",
        topic="Only tea",
        room_alias_name="tea",
        invite=[bob.id],
        is_direct=True,
        creation_content={
            "m.federate": False,
            "creator": "@mallory:example.org",
            "room_version": "1",
            "type": "m.space",
        },
        initial_state=[
            {"type": "m.room.history_visibility", "content": {"history_visibility": "invited"}},
            {"type": "org.example.kettle", "state_key": "left", "content": {"on": True}},
            {"type": "m.room.name", "content": {"name": "overwritten"}},
        ],
        room_version="11",
    )
    update = (await alice.sync(filter={"room": {"timeline": {"limit": 50}}})).joined(room)
    assert [event["type"].removeprefix("m.room.") for event in update.timeline] == [
        "create",
        "member",
        "power_levels",
        "canonical_alias",
        "join_rules",
        "history_visibility",
        "guest_access",
        "org.example.kettle",
        "name",
        "topic",
        "member",
    ]
    state = await contents(alice, room)
    assert state["m.room.create"] == {"m.federate": False, "room_version": "11", "type": "m.space"}
    assert state["m.room.name"] == {"name": "Tea"}
    assert state["m.room.topic"]["topic"] == "Only tea"
    assert state["m.room.topic"]["m.topic"]["m.text"] == [{"mimetype": "text/plain", "body": "Only tea"}]
    assert state["m.room.canonical_alias"] == {"alias": "#tea:example.org"}
    assert state["m.room.history_visibility"] == {"history_visibility": "invited"}
    assert await alice.state(room, "org.example.kettle", "left") == {"on": True}
    assert update.timeline[-1]["content"]["is_direct"] is True
    assert await bob.join("#tea:example.org") == room


async def test_power_levels_are_overridden_key_by_key(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(
        room_version="11",
        power_level_content_override={
            "events_default": 10,
            "users": {alice.id: 100, "@bob:example.org": 10},
            "invite": 7,
        },
    )
    levels = await alice.state(room, "m.room.power_levels")
    assert (levels["events_default"], levels["invite"], levels["state_default"]) == (10, 7, 50)
    assert levels["users"] == {alice.id: 100, "@bob:example.org": 10}


async def test_a_taken_alias_makes_no_room(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(room_alias_name="tea")
    with refused(400, "M_ROOM_IN_USE"):
        await bob.create_room(room_alias_name="tea")
    assert (await bob.request("GET", "/v3/joined_rooms"))["joined_rooms"] == []
    assert (await alice.request("GET", "/v3/joined_rooms"))["joined_rooms"] == [room]


async def test_trap_24_rooms_made_by_one_user_in_one_millisecond_are_different(timed_home: Any) -> None:
    home, _ = timed_home
    alice = await home.user("alice")
    rooms = {await alice.create_room() for _ in range(3)}
    assert len(rooms) == 3
    for room in rooms:
        assert (await alice.whole_state(room))["m.room.create", ""]["room_id"] == room


@pytest.mark.parametrize(
    ("body", "errcode", "naming"),
    [
        ({"room_version": "99"}, "M_UNSUPPORTED_ROOM_VERSION", "room_version"),
        ({"room_version": 11}, "M_BAD_JSON", "room_version"),
        ({"preset": "tea_party"}, "M_INVALID_PARAM", "preset"),
        ({"visibility": "hidden"}, "M_INVALID_PARAM", "visibility"),
        ({"room_alias_name": ""}, "M_INVALID_PARAM", "room_alias_name"),
        ({"room_alias_name": "tea:example.org"}, "M_INVALID_PARAM", "room_alias_name"),
        ({"room_alias_name": "x" * 300}, "M_INVALID_PARAM", "room_alias_name"),
        ({"invite": ["bob"]}, "M_INVALID_PARAM", "invite"),
        ({"invite": "@bob:example.org"}, "M_BAD_JSON", "invite"),
        ({"invite": ["@alice:example.org"]}, "M_INVALID_PARAM", "invite"),
        ({"invite": ["@nobody:example.org"]}, "M_INVALID_PARAM", "invite"),
        ({"invite": [f"@u{n}:example.org" for n in range(101)]}, "M_INVALID_PARAM", "invite"),
        ({"initial_state": [{"content": {}}]}, "M_BAD_JSON", "type"),
        ({"initial_state": [{"type": "m.room.topic", "content": []}]}, "M_BAD_JSON", "content"),
        ({"initial_state": [{"type": "m.room.create", "content": {}}]}, "M_INVALID_PARAM", "m.room.create"),
        ({"initial_state": [{"type": "a", "content": {"x": 1.5}}]}, "M_BAD_JSON", ""),
        ({"initial_state": [{"type": "m.room.member", "state_key": "@b:example.org", "content": JOIN}]},
         "M_INVALID_ROOM_STATE", "m.room.member"),
        ({"initial_state": [{"type": "m.room.power_levels", "content": {"users": {"@alice:example.org": 0}}}],
          "room_version": "11"}, "M_INVALID_ROOM_STATE", ""),
        ({"power_level_content_override": {"events_default": "10"}}, "M_INVALID_ROOM_STATE", "m.room.power_levels"),
        ({"power_level_content_override": {"users": {"@alice:example.org": 100}}}, "M_INVALID_ROOM_STATE",
         "m.room.power_levels"),
        ({"power_level_content_override": []}, "M_BAD_JSON", "power_level_content_override"),
        ({"creation_content": {"additional_creators": "@bob:example.org"}}, "M_BAD_JSON", "additional_creators"),
        ({"creation_content": {"additional_creators": ["bob"]}}, "M_INVALID_PARAM", "additional_creators"),
        ({"name": 5}, "M_BAD_JSON", "name"),
        ({"name": "x" * 70_000}, "M_TOO_LARGE", ""),
        ({"is_direct": "yes"}, "M_BAD_JSON", "is_direct"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_and_makes_no_room(home: Home, body: Any, errcode: str, naming: str) -> None:
    alice = await home.user("alice")
    with refused(413 if errcode == "M_TOO_LARGE" else 400, errcode, naming):
        await alice.create_room(**body)
    assert not (await alice.sync()).rooms


@pytest.mark.parametrize(
    "body",
    [
        {"invite": ["@bob:elsewhere.example"]},
        {"invite_3pid": [{"id_server": "x", "id_access_token": "y", "medium": "email", "address": "a@example.org"}]},
    ],
)
async def test_who_cannot_be_reached_cannot_be_invited(home: Home, body: Any) -> None:
    alice = await home.user("alice")
    with refused(403, "M_FORBIDDEN", "invite"):
        await alice.create_room(**body)
    assert not (await alice.sync()).rooms
