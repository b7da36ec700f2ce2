"""State, single events and members of rooms: GET and PUT in all their forms."""

from typing import Any

import pytest

from tests.support.homeserver import Home, Json, refused


async def test_what_is_put_can_be_got(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    event_id = await alice.set_state(room, "org.example/odd type", {"a": [1, {"b": None}]}, "a/b c")
    assert await alice.state(room, "org.example/odd type", "a/b c") == {"a": [1, {"b": None}]}
    event = await alice.state(room, "org.example/odd type", "a/b c", format="event")
    assert event["event_id"] == event_id
    assert event["state_key"] == "a/b c"
    assert event["room_id"] == room
    assert (await alice.whole_state(room))["org.example/odd type", "a/b c"]["event_id"] == event_id
    with refused(404, "M_NOT_FOUND"):
        await alice.state(room, "org.example/odd type")


@pytest.mark.parametrize("path", ["state/m.room.topic", "state/m.room.topic/"])
async def test_an_empty_key_needs_no_slash(home: Home, path: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.in_room(room, "PUT", path, {"topic": "tea"})
    assert await alice.in_room(room, "GET", path) == {"topic": "tea"}


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_old_paths(home: Home, version: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.request("PUT", f"/{version}/rooms/{room}/state/m.room.topic/", {"topic": "tea"})
    assert await alice.request("GET", f"/{version}/rooms/{room}/state/m.room.topic") == {"topic": "tea"}


async def test_a_format_that_is_none(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(400, "M_INVALID_PARAM", "format"):
        await alice.state(room, "m.room.create", format="xml")


async def test_state_that_is_set_again_makes_no_event_unless_it_differs(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(power_level_content_override={"state_default": 0}, invite=[bob.id])
    await bob.join(room)
    first = await alice.set_state(room, "org.example.lamp", {"on": True})
    assert await alice.set_state(room, "org.example.lamp", {"on": True}) == first
    assert await alice.set_state(room, "org.example.lamp", {"on": 1}) != first
    assert await alice.state(room, "org.example.lamp") == {"on": 1}
    assert await bob.set_state(room, "org.example.lamp", {"on": 1}) != first
    with refused(400, "M_BAD_JSON"):
        await bob.set_state(room, "org.example.lamp", {"on": 1.0})


async def test_who_is_out_cannot_set_what_they_had_set(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(power_level_content_override={"state_default": 0}, invite=[bob.id])
    await bob.join(room)
    await bob.set_state(room, "org.example.lamp", {"on": True})
    await alice.set_member(room, bob, "ban")
    with refused(403, "M_FORBIDDEN"):
        await bob.set_state(room, "org.example.lamp", {"on": True})


async def test_the_room_itself_cannot_be_made_anew(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(403, "M_FORBIDDEN"):
        await alice.set_state(room, "m.room.create", {"room_version": "12"})


async def test_another_users_key_is_theirs(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    await bob.join(room)
    with refused(403, "M_FORBIDDEN"):
        await alice.set_state(room, "org.example.seat", {}, bob.id)


@pytest.mark.parametrize(
    ("levels", "status", "errcode"),
    [
        ({"users": {"@alice:example.org": "100"}}, 403, "M_FORBIDDEN"),
        ({"ban": True}, 403, "M_FORBIDDEN"),
        ({"ban": 1.5}, 400, "M_BAD_JSON"),
        ({"users": {"alice": 1}}, 403, "M_FORBIDDEN"),
        ({"users": {"@alice:example.org": 100}, "ban": 101}, 403, "M_FORBIDDEN"),
    ],
)
async def test_trap_23_power_levels_that_are_none(home: Home, levels: Any, status: int, errcode: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(room_version="11")
    with refused(status, errcode):
        await alice.set_state(room, "m.room.power_levels", levels)


async def test_aliases_must_lead_to_the_room(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(room_alias_name="tea")
    other = await alice.create_room(room_alias_name="coffee")
    leading_elsewhere: list[Json] = [
        {"alias": "#coffee:example.org"},
        {"alias": "#nothing:example.org"},
        {"alias": "#tea:example.org", "alt_aliases": ["#coffee:example.org"]},
        {"alias": "#tea:elsewhere.example"},
    ]
    for content in leading_elsewhere:
        with refused(400, "M_BAD_ALIAS"):
            await alice.set_state(room, "m.room.canonical_alias", content)
    malformed: list[Json] = [
        {"alias": "tea"},
        {"alias": 5},
        {"alt_aliases": ["tea"]},
        {"alt_aliases": "#tea:example.org"},
        {"alt_aliases": [5]},
    ]
    for content in malformed:
        with refused(400, "M_INVALID_PARAM", "alias"):
            await alice.set_state(room, "m.room.canonical_alias", content)
    await alice.set_state(room, "m.room.canonical_alias", {"alias": "", "alt_aliases": ["#tea:example.org"]})
    await alice.set_state(other, "m.room.canonical_alias", {})


async def test_one_event(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room, other = await alice.create_room(invite=[bob.id]), await alice.create_room()
    said, elsewhere = await alice.say(room, "hello"), await alice.say(other, "hello")
    assert (await alice.event(room, said))["content"]["body"] == "hello"
    for event_id in (elsewhere, "$unknown"):
        with refused(404, "M_NOT_FOUND"):
            await alice.event(room, event_id)
    with refused(400, "M_INVALID_PARAM", "event_id"):
        await alice.event(room, "unknown")
    for outsider in (bob, carol):
        with refused(404, "M_NOT_FOUND"):
            await outsider.event(room, said)


@pytest.mark.parametrize("path", ["state", "state/m.room.create/", "members", "messages?dir=b"])
async def test_who_never_was_in_a_room_sees_nothing_of_it(home: Home, path: str) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(invite=[bob.id])
    for outsider in (bob, carol):
        with refused(403, "M_FORBIDDEN"):
            await outsider.in_room(room, "GET", path)
    with refused(403, "M_FORBIDDEN"):
        await carol.in_room("!unknown:example.org", "GET", path)
    await bob.leave(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.in_room(room, "GET", path)


async def test_who_has_left_sees_the_state_of_that_moment(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(name="before", preset="public_chat")
    await bob.join(room)
    await bob.leave(room)
    await alice.set_state(room, "m.room.name", {"name": "after"})
    await alice.set_state(room, "org.example.new", {})
    assert await bob.state(room, "m.room.name") == {"name": "before"}
    assert ("org.example.new", "") not in await bob.whole_state(room)
    assert (await bob.members(room))[bob.id] == "leave"
    with refused(404, "M_NOT_FOUND"):
        await bob.state(room, "org.example.new")
    await alice.set_member(room, bob, "ban")
    assert await bob.state(room, "m.room.name") == {"name": "before"}


async def test_a_world_readable_room_is_open_to_all(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(
        initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}]
    )
    said = await alice.say(room, "hello")
    assert (await bob.event(room, said))["content"]["body"] == "hello"
    assert await bob.members(room) == {alice.id: "join"}
    assert (await bob.state(room, "m.room.create"))["room_version"] == "12"
    assert (await bob.messages(room))["chunk"][0]["event_id"] == said
    with refused(403, "M_FORBIDDEN"):
        await bob.say(room, "me too")


async def test_members_by_membership(home: Home) -> None:
    alice, bob, carol, dave, eve = await home.users("alice", "bob", "carol", "dave", "eve")
    room = await alice.create_room(preset="public_chat", invite=[carol.id])
    for user in (bob, dave, eve):
        await user.join(room)
    await dave.leave(room)
    await alice.set_member(room, eve, "ban")
    everybody = {alice.id: "join", bob.id: "join", carol.id: "invite", dave.id: "leave", eve.id: "ban"}
    assert await alice.members(room) == everybody
    for membership in ("join", "invite", "leave", "ban", "knock"):
        wanted = {user: value for user, value in everybody.items() if value == membership}
        rest = {user: value for user, value in everybody.items() if value != membership}
        assert await alice.members(room, membership=membership) == wanted
        assert await alice.members(room, not_membership=membership) == rest
    either = await alice.members(room, membership="ban", not_membership="ban")
    assert either == everybody
    either = await alice.members(room, membership="invite", not_membership="join")
    assert either == {user: value for user, value in everybody.items() if value != "join"}


async def test_members_as_of_a_token(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    token = (await bob.sync()).next_batch
    await carol.join(room)
    await alice.set_member(room, bob, "leave")
    assert await alice.members(room, at=token) == {alice.id: "join", bob.id: "join"}
    assert await bob.members(room, at=token) == {alice.id: "join", bob.id: "join"}
    later = (await alice.sync()).next_batch
    await alice.leave(room)
    assert (await bob.members(room, at=later))[alice.id] == "join", "no further than to the end of their stay"
    assert (await bob.members(room, at=later))[bob.id] == "leave"
    with refused(400, "M_INVALID_PARAM", "at"):
        await bob.members(room, at="yesterday")


async def test_members_from_before_a_stay_are_no_secret_only_where_history_is_none(home: Home) -> None:
    alice, bob, carol, dave = await home.users("alice", "bob", "carol", "dave")
    visibility = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room = await alice.create_room(preset="public_chat", initial_state=[visibility])
    await carol.join(room)
    token = (await alice.sync()).next_batch
    await carol.leave(room)
    await bob.join(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.members(room, at=token)
    shared = await alice.create_room(preset="public_chat")
    token = (await alice.sync()).next_batch
    await dave.join(shared)
    assert await dave.members(shared, at=token) == {alice.id: "join"}
