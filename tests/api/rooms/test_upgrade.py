"""POST upgrade: the new room, what it takes over from the old one, and how the old one is closed."""

from typing import Any

import pytest

from tests.support.homeserver import Home, Json, User, eventually, refused

POWER = "m.room.power_levels"
ALIAS = "m.room.canonical_alias"
VERSIONS = [str(number) for number in range(1, 13)]


async def content(user: User, room: str, kind: str, state_key: str = "") -> Any:
    """What stands under a key of the state; None where the room has none."""
    event = (await user.whole_state(room)).get((kind, state_key))
    return None if event is None else event["content"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("before", ["1", "11", "12"])
async def test_from_and_to_every_version(home: Home, before: str, version: str) -> None:
    alice, bob = await home.users("alice", "bob")
    old = await alice.create_room(room_version=before, preset="public_chat", name="Tea")
    await bob.join(old)
    said = await bob.say(old, "hello")
    new = await alice.upgrade(old, version)
    create = await content(alice, new, "m.room.create")
    assert create["room_version"] == version
    assert create["predecessor"] == {"room_id": old, "event_id": said}
    assert (await content(alice, old, "m.room.tombstone"))["replacement_room"] == new
    await alice.set_state(new, POWER, {**(await content(alice, new, POWER)), "invite": 100})
    await bob.join(new)
    with refused(403, "M_FORBIDDEN"):
        await bob.say(old, "nobody speaks here any more")
    await bob.say(new, "here we are")


async def test_what_is_taken_over(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    kept: dict[str, Json] = {
        "m.room.server_acl": {"allow": ["*"], "deny": ["evil.example"]},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.name": {"name": "Tea"},
        "m.room.avatar": {"url": "mxc://example.org/tea"},
        "m.room.topic": {"topic": "Leaves"},
        "m.room.guest_access": {"guest_access": "forbidden"},
        "m.room.history_visibility": {"history_visibility": "world_readable"},
        "m.room.join_rules": {"join_rule": "knock"},
    }
    initial = [{"type": kind, "content": said} for kind, said in kept.items()]
    initial.append({"type": "org.example.sensitive", "content": {"by": "alice"}})
    old = await alice.create_room(invite=[bob.id], initial_state=initial, room_version="10")
    await alice.request("PUT", f"/v3/profile/{alice.id}/displayname", {"displayname": "Alice"})
    new = await alice.upgrade(old, "12")
    state = await alice.whole_state(new)
    assert {kind: state[kind, ""]["content"] for kind in kept} == kept
    assert set(state) == {(kind, "") for kind in (*kept, "m.room.create", POWER)} | {("m.room.member", alice.id)}
    assert state["m.room.member", alice.id]["content"] == {"membership": "join", "displayname": "Alice"}


async def test_redacted_state_is_taken_over_as_it_stands(home: Home) -> None:
    alice = await home.user("alice")
    old = await alice.create_room(room_version="11")
    await alice.redact(old, await alice.set_state(old, "m.room.topic", {"topic": "secret"}))
    new = await alice.upgrade(old, "11")
    assert await content(alice, new, "m.room.topic") == {}


async def test_the_kind_of_room_goes_along(home: Home) -> None:
    alice = await home.user("alice")
    child = {"type": "m.space.child", "state_key": "!child:example.org", "content": {"via": ["example.org"]}}
    gone = {"type": "m.space.child", "state_key": "!gone:example.org", "content": {}}
    creation = {"type": "m.space", "m.federate": False}
    old = await alice.create_room(creation_content=creation, initial_state=[child, gone])
    new = await alice.upgrade(old, "12")
    create = await content(alice, new, "m.room.create")
    assert (create["type"], create["m.federate"]) == ("m.space", False)
    assert await content(alice, new, "m.space.child", "!child:example.org") == {"via": ["example.org"]}
    assert await content(alice, new, "m.space.child", "!gone:example.org") is None


async def test_creators_of_version_12(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    old = await alice.create_room(
        room_version="12",
        invite=[bob.id, carol.id],
        creation_content={"additional_creators": [bob.id]},
        power_level_content_override={"users": {carol.id: 100}},
    )
    new = await alice.upgrade(old, "12")
    assert "additional_creators" not in await content(alice, new, "m.room.create"), "they are not copied"
    assert (await content(alice, new, POWER))["users"] == {carol.id: 100}
    new = await alice.upgrade(old, "12", additional_creators=[carol.id, alice.id, carol.id])
    assert (await content(alice, new, "m.room.create"))["additional_creators"] == [carol.id]
    assert (await content(alice, new, POWER))["users"] == {}
    new = await alice.upgrade(old, "11", additional_creators=["is ignored there"])
    assert "additional_creators" not in await content(alice, new, "m.room.create")
    levels = await content(alice, new, POWER)
    assert levels["users"] == {alice.id: 150, bob.id: 150, carol.id: 100}, "who had all power keeps the most"
    with refused(400, "M_INVALID_PARAM", "additional_creators"):
        await alice.upgrade(old, "12", additional_creators=["carol"])


async def test_levels_of_a_room_that_gets_version_12(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    levels = {"users": {alice.id: "100", bob.id: 60, carol.id: 50}, "invite": "30", "events": {"m.room.name": 20}}
    old = await alice.create_room(
        room_version="9", preset="public_chat", power_level_content_override={**levels, "notifications": {"room": 10}}
    )
    new = await alice.upgrade(old, "12")
    found = await content(alice, new, POWER)
    assert found["users"] == {bob.id: 60, carol.id: 50}
    assert found["invite"] == 30
    assert found["events"] == {"m.room.name": 20, "m.room.tombstone": 150}
    assert found["notifications"] == {"room": 10}
    assert found["ban"] == 50
    assert found["historical"] == 100


async def test_a_moderator_may_upgrade_and_stays_one(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    levels = {"users": {alice.id: 100, bob.id: 50}, "events": {"m.room.tombstone": 50, POWER: 100}, "ban": 90}
    old = await alice.create_room(room_version="11", preset="public_chat", power_level_content_override=levels)
    await bob.join(old)
    await alice.moderate(old, "ban", carol, reason="spam")
    new = await bob.upgrade(old, "11")
    assert (await content(bob, new, POWER))["users"] == {alice.id: 100, bob.id: 50}
    assert await content(bob, new, "m.room.member", carol.id) == {"membership": "ban", "reason": "spam"}
    assert (await content(bob, old, "m.room.tombstone"))["replacement_room"] == new
    assert (await content(bob, old, POWER))["events_default"] == 0, "that was not in their power"
    with refused(403, "M_FORBIDDEN"):
        await carol.join(new)


@pytest.mark.parametrize(
    ("levels", "least"), [({}, 50), ({"users_default": 60}, 61), ({"events_default": 70, "invite": 10}, 70)]
)
async def test_the_old_room_is_closed(home: Home, levels: Json, least: int) -> None:
    alice, bob = await home.users("alice", "bob")
    old = await alice.create_room(room_version="11", preset="public_chat", power_level_content_override=levels)
    await bob.join(old)
    before = await content(alice, old, POWER)
    new = await alice.upgrade(old, "11")
    after = await content(alice, old, POWER)
    assert after["events_default"] == least
    assert after["invite"] == max(50, levels.get("users_default", 0) + 1)
    assert {**after, "events_default": 0, "invite": 0} == {**before, "events_default": 0, "invite": 0}
    with refused(403, "M_FORBIDDEN"):
        await bob.say(old, "hello?")
    assert (await content(alice, new, POWER))["events_default"] == before["events_default"]


async def test_aliases_move(either_home: Home) -> None:
    alice = await either_home.user("alice")
    old = await alice.create_room(room_alias_name="tea", visibility="public")
    await alice.request("PUT", "/v3/directory/room/%23chai:example.org", {"room_id": old})
    named = {"alias": "#tea:example.org", "alt_aliases": ["#chai:example.org"]}
    await alice.set_state(old, ALIAS, named)
    new = await alice.upgrade(old, "12")
    for alias in ("%23tea:example.org", "%23chai:example.org"):
        assert (await alice.request("GET", f"/v3/directory/room/{alias}"))["room_id"] == new
    assert await content(alice, new, ALIAS) == named
    assert await content(alice, old, ALIAS) == {}
    assert (await alice.in_room(old, "GET", "aliases"))["aliases"] == []
    assert set((await alice.in_room(new, "GET", "aliases"))["aliases"]) == {"#tea:example.org", "#chai:example.org"}
    again = await alice.upgrade(new, "11")
    assert await content(alice, again, ALIAS) == named


async def test_who_may_not(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    old = await alice.create_room(preset="public_chat", room_alias_name="tea")
    await bob.join(old)
    for user in (bob, carol):
        with refused(403, "M_FORBIDDEN"):
            await user.upgrade(old, "12")
    with refused(404, "M_NOT_FOUND"):
        await alice.upgrade("!unknown:example.org", "12")
    await alice.leave(old)
    with refused(403, "M_FORBIDDEN"):
        await alice.upgrade(old, "12")
    assert (await bob.request("GET", "/v3/directory/room/%23tea:example.org"))["room_id"] == old


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"new_version": "13"}, "M_UNSUPPORTED_ROOM_VERSION"),
        ({"new_version": ""}, "M_UNSUPPORTED_ROOM_VERSION"),
        ({"new_version": 12}, "M_BAD_JSON"),
        ({}, "M_BAD_JSON"),
        ({"new_version": "12", "additional_creators": "bob"}, "M_BAD_JSON"),
        ({"new_version": "12", "additional_creators": [7]}, "M_BAD_JSON"),
    ],
)
async def test_bodies_that_say_nothing(home: Home, body: Json, errcode: str) -> None:
    alice = await home.user("alice")
    old = await alice.create_room()
    with refused(400, errcode):
        await alice.in_room(old, "POST", "upgrade", body)
    assert await content(alice, old, "m.room.tombstone") is None


async def test_settings_follow_their_users(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    old = await alice.create_room(preset="public_chat")
    await bob.join(old)
    for user in (alice, bob):
        await user.request("PUT", f"/v3/pushrules/global/room/{old}", {"actions": []})
        await user.request("PUT", f"/v3/user/{user.id}/rooms/{old}/tags/m.favourite", {"order": 0.5})
        await user.request("PUT", f"/v3/user/{user.id}/account_data/m.direct", {"@carol:example.org": [old], "odd": 1})
    new = await alice.upgrade(old, "12")
    await bob.join(new)
    for user in (alice, bob):
        at_once = await user.request("GET", f"/v3/user/{user.id}/rooms/{new}/tags")
        assert at_once == {"tags": {"m.favourite": {"order": 0.5}}}
    for user in (alice, bob):

        async def has_settings(user: User = user) -> bool:
            return new in str(await user.request("GET", f"/v3/user/{user.id}/account_data/m.direct"))

        await eventually(has_settings)
        rule = await user.request("GET", f"/v3/pushrules/global/room/{new}")
        assert (rule["actions"], rule["enabled"]) == ([], True)
        tags = await user.request("GET", f"/v3/user/{user.id}/rooms/{new}/tags")
        assert tags == {"tags": {"m.favourite": {"order": 0.5}}}
        direct = await user.request("GET", f"/v3/user/{user.id}/account_data/m.direct")
        assert direct == {"@carol:example.org": [old, new], "odd": 1}
    await bob.request("DELETE", f"/v3/user/{bob.id}/rooms/{new}/tags/m.favourite")
    await bob.leave(new)
    await bob.join(new)
    await bob.request("PUT", f"/v3/user/{bob.id}/account_data/m.direct", {})
    await bob.say(new, "back")
    assert (await bob.request("GET", f"/v3/user/{bob.id}/rooms/{new}/tags")) == {"tags": {}}


async def test_nobody_claims_the_settings_of_another_room(home: Home) -> None:
    alice, bob, mallory = await home.users("alice", "bob", "mallory")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await bob.request("PUT", f"/v3/user/{bob.id}/rooms/{room}/tags/m.favourite", {})
    claimed = {"predecessor": {"room_id": room, "event_id": "$event"}}
    trap = await mallory.create_room(preset="public_chat", creation_content=claimed)
    await bob.join(trap)
    await alice.upgrade(room, "12")

    async def is_done() -> bool:
        database = home.server.server.database
        return not await database.read(lambda tx: tx.value("SELECT count(*) FROM jobs"))

    await eventually(is_done)
    assert await bob.request("GET", f"/v3/user/{bob.id}/rooms/{trap}/tags") == {"tags": {}}
