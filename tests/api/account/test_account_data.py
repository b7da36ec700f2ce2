"""Account data and tags: kept as they came, told to every device, read by their own user alone."""

from typing import Any

import pytest

from tests.support.homeserver import Home, User, refused

DIRECT = {"@bob:example.org": ["!a:example.org"], "n": [1, 1.5, True, None, 2**60]}


def of(user: User, kind: str = "", room: str = "", version: str = "v3") -> str:
    """The path of a user's account data, of the account or of a room."""
    where = f"rooms/{room}/" if room else ""
    return f"/{version}/user/{user.id}/{where}account_data/{kind}"


def tags_of(user: User, room: str, tag: str = "") -> str:
    """The path of the tags of a room, or of one of them."""
    return f"/v3/user/{user.id}/rooms/{room}/tags" + (f"/{tag}" if tag else "")


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_trap_54_what_is_put_is_got(either_home: Home, version: str) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    for where in ("", room):
        path = of(alice, "m.direct", where, version)
        with refused(404, "M_NOT_FOUND"):
            await alice.request("GET", path)
        assert await alice.request("PUT", path, DIRECT) == {}
        assert await alice.request("GET", path) == DIRECT
        await alice.request("PUT", path, {})
        assert await alice.request("GET", path) == {}
    assert await alice.request("GET", of(alice, "m.push_rules")) == await alice.request("GET", "/v3/pushrules/")


async def test_every_device_hears_of_it(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    await bob.join(room)
    phone = await alice.log_in_again()
    await phone.sync()
    await bob.sync()
    async with phone.waiting() as hears:
        await alice.request("PUT", of(alice, "m.direct"), DIRECT)
    assert hears.result().account_data == {"m.direct": DIRECT}
    async with phone.waiting() as hears:
        await alice.request("PUT", of(alice, "m.marked_unread", room), {"unread": True})
    assert hears.result().joined(room).account_data == {"m.marked_unread": {"unread": True}}
    async with phone.waiting() as hears:
        await alice.request("PUT", tags_of(alice, room, "m.favourite"), {"order": 0.5})
    assert hears.result().joined(room).account_data == {"m.tag": {"tags": {"m.favourite": {"order": 0.5}}}}
    first = await phone.sync_anew()
    assert first.account_data["m.direct"] == DIRECT
    assert set(first.joined(room).account_data) == {"m.marked_unread", "m.tag"}
    for_bob = await bob.sync()
    assert not for_bob.account_data
    assert not for_bob.joined(room).account_data


@pytest.mark.parametrize("kind", ["m.fully_read", "m.push_rules"])
async def test_what_the_server_manages_is_not_set(home: Home, kind: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    for where in ("", room):
        with refused(405, "M_BAD_JSON", kind):
            await alice.request("PUT", of(alice, kind, where), {"global": {}})
    with refused(404, "M_NOT_FOUND"):
        await alice.request("GET", of(alice, kind, room))


async def test_account_data_is_for_oneself(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await alice.request("PUT", of(alice, "m.direct"), DIRECT)
    attempts: list[tuple[str, str, Any]] = [
        ("GET", of(alice, "m.direct"), None),
        ("GET", of(alice, "m.push_rules"), None),
        ("PUT", of(alice, "m.direct"), {}),
        ("GET", of(alice, "m.direct", room), None),
        ("PUT", of(alice, "m.direct", room), {}),
        ("GET", tags_of(alice, room), None),
        ("PUT", tags_of(alice, room, "u.tea"), {}),
        ("DELETE", tags_of(alice, room, "u.tea"), None),
    ]
    for method, path, body in attempts:
        with refused(403, "M_FORBIDDEN", "user_id"):
            await bob.request(method, path, body)


async def test_rooms_that_one_has_nothing_to_do_with(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    private = await alice.create_room()
    await bob.request("PUT", of(bob, "x", room), {"invited": True})
    await bob.leave(room)
    await bob.request("PUT", of(bob, "x", room), {"invited": False})
    for unknown in (private, "!unknown:example.org"):
        with refused(403, "M_FORBIDDEN", "roomId"):
            await bob.request("PUT", of(bob, "x", unknown), {})
        with refused(404, "M_NOT_FOUND"):
            await bob.request("GET", of(bob, "x", unknown))
        with refused(403, "M_FORBIDDEN", "roomId"):
            await bob.request("PUT", tags_of(bob, unknown, "u.tea"), {})
        assert await bob.request("GET", tags_of(bob, unknown)) == {"tags": {}}
    with refused(400, "M_INVALID_PARAM", "room_id"):
        await bob.request("PUT", of(bob, "x", "notaroom"), {})
    with refused(400, "M_INVALID_PARAM", "room_id"):
        await bob.request("GET", of(bob, "x", "notaroom"))


@pytest.mark.parametrize(("body", "errcode"), [([], "M_BAD_JSON"), (b"{", "M_NOT_JSON"), ("text", "M_BAD_JSON")])
async def test_account_data_is_an_object(home: Home, body: object, errcode: str) -> None:
    alice = await home.user("alice")
    with refused(400, errcode):
        await alice.request("PUT", of(alice, "m.direct"), body)


async def test_types_have_a_length(either_home: Home) -> None:
    alice = await either_home.user("alice")
    await alice.request("PUT", of(alice, "x" * 255), {})
    with refused(400, "M_INVALID_PARAM", "type"):
        await alice.request("PUT", of(alice, "x" * 5000), {})
    with refused(404, "M_NOT_FOUND"):
        await alice.request("GET", of(alice, "x" * 5000))


async def test_tags_come_and_go(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    assert await alice.request("GET", tags_of(alice, room)) == {"tags": {}}
    await alice.request("PUT", tags_of(alice, room, "u.W%C3%B6rk%2F1"), {"order": 1, "org.example.colour": "red"})
    await alice.request("PUT", tags_of(alice, room, "m.favourite"), {})
    both = {"u.Wörk/1": {"order": 1, "org.example.colour": "red"}, "m.favourite": {}}
    assert await alice.request("GET", tags_of(alice, room)) == {"tags": both}
    assert await alice.request("GET", of(alice, "m.tag", room)) == {"tags": both}
    await alice.request("PUT", tags_of(alice, room, "m.favourite"), {"order": 0.25})
    await alice.request("DELETE", tags_of(alice, room, "u.W%C3%B6rk%2F1"))
    await alice.request("DELETE", tags_of(alice, room, "u.never"))
    assert await alice.request("GET", tags_of(alice, room)) == {"tags": {"m.favourite": {"order": 0.25}}}
    await alice.sync()
    await alice.request("PUT", tags_of(alice, room, "m.favourite"), {"order": 0.25})
    assert not (await alice.sync()).rooms


@pytest.mark.parametrize("whole", [{"tags": {"u.tea": {}}}, {"tags": ["u.tea"]}, {}, {"tags": None}])
async def test_tags_as_a_whole(home: Home, whole: dict[str, Any]) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.request("PUT", of(alice, "m.tag", room), whole)
    assert await alice.request("GET", of(alice, "m.tag", room)) == whole
    before: dict[str, Any] = {"u.tea": {}} if whole == {"tags": {"u.tea": {}}} else {}
    assert await alice.request("GET", tags_of(alice, room)) == {"tags": before}
    await alice.request("PUT", tags_of(alice, room, "u.cake"), {})
    assert await alice.request("GET", tags_of(alice, room)) == {"tags": {**before, "u.cake": {}}}


@pytest.mark.parametrize("order", [-0.1, 1.1, "0.5", True, None, []])
async def test_orders_that_are_none(home: Home, order: object) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(400, "M_INVALID_PARAM", "order"):
        await alice.request("PUT", tags_of(alice, room, "u.tea"), {"order": order})
    with refused(400, "M_INVALID_PARAM", "tag"):
        await alice.request("PUT", tags_of(alice, room, "x" * 256), {})
