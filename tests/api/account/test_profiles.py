"""Profiles: fields of any name, their limits, whose they are, and how name and picture come into rooms."""

import asyncio
from typing import Any

import pytest

from oriz_matrix.storage import accounts
from oriz_matrix.storage.accounts import Flags
from tests.support.homeserver import Home, User, refused

PICTURE = "mxc://example.org/Abc_-123"


def of(user: User, field: str = "", version: str = "v3") -> str:
    """The path of a profile, or of one of its fields."""
    return f"/{version}/profile/{user.id}" + (f"/{field}" if field else "")


async def set_field(user: User, field: str, value: Any) -> None:
    """Sets one field of one's own."""
    assert await user.request("PUT", of(user, field), {field: value}) == {}


async def carried(home: Home) -> None:
    """Waits until all jobs are done."""
    async with asyncio.timeout(10):
        while await home.server.server.database.read(lambda tx: tx.value("SELECT count(*) FROM jobs")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("version", ["r0", "v3"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("displayname", "Alïce"),
        ("displayname", ""),
        ("avatar_url", PICTURE),
        ("avatar_url", ""),
        ("m.tz", "Europe/London"),
        ("m.status", {"text": "away"}),
        ("org.example.a-b_c.d", [1, 1.5, {"b": None}]),
        ("org.example.null", None),
    ],
)
async def test_trap_54_what_is_put_is_got(home: Home, version: str, field: str, value: Any) -> None:
    alice, bob = await home.users("alice", "bob")
    await alice.request("DELETE", of(alice, "displayname"))
    path = of(alice, field, version)
    assert await bob.request("GET", of(alice, version=version)) == {}
    with refused(404, "M_NOT_FOUND"):
        await bob.request("GET", path)
    await alice.request("PUT", path, {field: value, "ignored": 1})
    assert await bob.request("GET", path) == {field: value}
    assert await bob.request("GET", of(alice, version=version)) == {field: value}
    assert (await home.server.ask("GET", path)).body == {field: value}
    for _ in range(2):
        assert await alice.request("DELETE", path) == {}
    assert await bob.request("GET", of(alice)) == {}


@pytest.mark.parametrize("name", ["@nobody:example.org", "@alice:elsewhere.example.com", "@ALICE:example.org"])
async def test_unknown_users(home: Home, name: str) -> None:
    alice = await home.user("alice")
    for path in (f"/v3/profile/{name}", f"/v3/profile/{name}/displayname"):
        with refused(404, "M_NOT_FOUND"):
            await alice.request("GET", path)
    with refused(400, "M_INVALID_PARAM", "user_id"):
        await alice.request("GET", "/v3/profile/alice")


async def test_only_the_own_profile_is_changed(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    with refused(403, "M_FORBIDDEN", "userId"):
        await bob.request("PUT", of(alice, "displayname"), {"displayname": "Mallory"})
    with refused(403, "M_FORBIDDEN", "userId"):
        await bob.request("DELETE", of(alice, "displayname"))
    for method in ("PUT", "DELETE"):
        assert (await home.server.ask(method, of(alice, "displayname"), {"displayname": ""})).status == 401


async def test_guests_have_a_name_and_nothing_else(home: Home) -> None:
    guest = await home.guest()
    await set_field(guest, "displayname", "Somebody")
    await guest.request("DELETE", of(guest, "displayname"))
    with refused(403, "M_GUEST_ACCESS_FORBIDDEN", "keyName"):
        await guest.request("PUT", of(guest, "avatar_url"), {"avatar_url": PICTURE})
    with refused(403, "M_GUEST_ACCESS_FORBIDDEN", "keyName"):
        await guest.request("DELETE", of(guest, "m.tz"))


async def test_the_suspended_change_nothing(home: Home) -> None:
    alice = await home.user("alice")
    found = await home.server.server.database.read(accounts.find, alice.id)  # type: ignore[arg-type]
    assert found is not None
    await home.server.server.database.write(accounts.set_flags, found.user, Flags(is_suspended=True))
    home.server.server.changes.poke()
    again = await alice.log_in_again()
    with refused(403, "M_USER_SUSPENDED"):
        await set_field(again, "displayname", "Alice")


@pytest.mark.parametrize(
    ("field", "body", "errcode", "naming"),
    [
        ("displayname", {}, "M_MISSING_PARAM", "displayname"),
        ("displayname", {"avatar_url": PICTURE}, "M_MISSING_PARAM", "displayname"),
        ("displayname", {"displayname": 5}, "M_BAD_JSON", "displayname"),
        ("displayname", {"displayname": None}, "M_BAD_JSON", "displayname"),
        ("displayname", {"displayname": "x" * 257}, "M_INVALID_PARAM", "displayname"),
        ("displayname", b"{", "M_NOT_JSON", ""),
        ("avatar_url", {"avatar_url": "https://example.org/a.png"}, "M_INVALID_PARAM", "avatar_url"),
        ("avatar_url", {"avatar_url": "mxc://example.org/a/b"}, "M_INVALID_PARAM", "avatar_url"),
        ("avatar_url", {"avatar_url": ["mxc"]}, "M_BAD_JSON", "avatar_url"),
        ("m.tz", {"m.tz": 1}, "M_BAD_JSON", "m.tz"),
        ("nickname", {"nickname": "x"}, "M_INVALID_PARAM", "keyName"),
        ("Org.example", {"Org.example": "x"}, "M_INVALID_PARAM", "keyName"),
        ("org.%C3%A9", {"org.é": "x"}, "M_INVALID_PARAM", "keyName"),
        (f"m.{'x' * 254}", {f"m.{'x' * 254}": 1}, "M_KEY_TOO_LARGE", "keyName"),
    ],
)
async def test_fields_that_cannot_be(home: Home, field: str, body: Any, errcode: str, naming: str) -> None:
    alice = await home.user("alice")
    with refused(400, errcode, naming):
        await alice.request("PUT", of(alice, field), body)
    assert await alice.request("GET", of(alice)) == {"displayname": "alice"}


async def test_a_profile_is_smaller_than_64_kib(either_home: Home) -> None:
    alice = await either_home.user("alice")
    await alice.request("DELETE", of(alice, "displayname"))
    own = len('{"m.a":"","m.b":""}')
    await set_field(alice, "m.a", "a" * 40_000)
    with refused(400, "M_PROFILE_TOO_LARGE"):
        await set_field(alice, "m.b", "b" * (65_536 - 40_000 - own))
    await set_field(alice, "m.b", "b" * (65_536 - 40_000 - own - 1))
    with refused(400, "M_PROFILE_TOO_LARGE"):
        await set_field(alice, "displayname", "")
    await alice.request("DELETE", of(alice, "m.a"))
    await set_field(alice, "displayname", "Alice")


async def test_fields_that_come_at_once_stay_within_the_limit(either_home: Home) -> None:
    alice = await either_home.user("alice")
    answers = await asyncio.gather(
        *(set_field(alice, f"m.f{number}", "x" * 30_000) for number in range(5)), return_exceptions=True
    )
    assert len([answer for answer in answers if answer is None]) == 2


async def test_name_and_picture_come_into_all_rooms(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    rooms = [await alice.create_room(invite=[bob.id]) for _ in range(3)]
    for room in rooms:
        await bob.join(room)
    await bob.leave(rooms[2])
    invited = await alice.create_room(invite=[bob.id])
    await alice.sync()
    async with alice.waiting() as hears:
        await set_field(bob, "displayname", "Bob the Builder")
    assert hears.result().rooms <= set(rooms[:2])
    await set_field(bob, "avatar_url", PICTURE)
    await carried(either_home)
    expected = {"membership": "join", "displayname": "Bob the Builder", "avatar_url": PICTURE}
    for room in rooms[:2]:
        assert await alice.state(room, "m.room.member", bob.id) == expected
    assert (await alice.state(rooms[2], "m.room.member", bob.id)) == {"membership": "leave"}
    assert (await alice.state(invited, "m.room.member", bob.id)) == {"membership": "invite", "displayname": "bob"}
    await bob.join(invited)
    assert await alice.state(invited, "m.room.member", bob.id) == expected
    await bob.request("DELETE", of(bob, "avatar_url"))
    await carried(either_home)
    assert await alice.state(rooms[0], "m.room.member", bob.id) == {
        "membership": "join",
        "displayname": "Bob the Builder",
    }


async def test_what_changes_nothing_makes_no_event(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await set_field(alice, "displayname", "Alice")
    await carried(home)
    await alice.sync()
    await set_field(alice, "displayname", "Alice")
    await set_field(alice, "m.tz", "Europe/London")
    await alice.request("DELETE", of(alice, "avatar_url"))
    await carried(home)
    assert room not in (await alice.sync()).rooms


async def test_what_else_stands_in_the_member_event_stays(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room, reason="for tea")
    await set_field(bob, "displayname", "Bob")
    await carried(home)
    assert await alice.state(room, "m.room.member", bob.id) == {"membership": "join", "displayname": "Bob"}
    await bob.set_member(room, bob, "join", displayname="Robert", **{"org.example.colour": "red"})
    await set_field(bob, "displayname", "Bobby")
    await carried(home)
    content = await alice.state(room, "m.room.member", bob.id)
    assert content == {"membership": "join", "displayname": "Bobby", "org.example.colour": "red"}


async def test_a_new_name_in_a_restricted_room_needs_nobody_to_vouch(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    space = await alice.create_room(invite=[bob.id])
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room = await alice.create_room(initial_state=[{"type": "m.room.join_rules", "content": rules}])
    await bob.join(space)
    await bob.join(room)
    await bob.leave(space)
    await set_field(bob, "displayname", "Bob")
    await carried(home)
    assert await alice.state(room, "m.room.member", bob.id) == {"membership": "join", "displayname": "Bob"}


async def test_a_name_is_carried_on_after_a_restart(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    rooms = [await bob.create_room(invite=[alice.id]) for _ in range(8)]
    for room in rooms:
        await alice.join(room)
    await set_field(alice, "displayname", "Alice")
    await either_home.restart(alice, bob)
    await carried(either_home)
    for room in rooms:
        assert (await bob.state(room, "m.room.member", alice.id))["displayname"] == "Alice"


async def test_trap_53_a_new_name_reads_nothing(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    await bob.join(room)
    await alice.say(room, "unread")
    await set_field(bob, "displayname", "Bob")
    await carried(home)
    assert (await bob.sync()).joined(room).unread == (1, 0)


async def test_trap_40_what_the_capabilities_allow(home: Home) -> None:
    alice = await home.user("alice")
    capabilities = (await alice.request("GET", "/v3/capabilities"))["capabilities"]
    for name in ("m.profile_fields", "m.set_displayname", "m.set_avatar_url"):
        assert capabilities[name] == {"enabled": True}
