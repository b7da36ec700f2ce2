"""Aliases: making, finding, listing, removing; who may, and what becomes of m.room.canonical_alias."""

import asyncio
from urllib.parse import quote

import pytest

from tests.support.homeserver import Home, Refused, User, refused

TEA = "#tea:example.org"


def path(alias: str, version: str = "v3") -> str:
    """Where an alias stands."""
    return f"/{version}/directory/room/{quote(alias, safe='')}"


async def add(user: User, alias: str, room: str) -> None:
    """Points an alias to a room."""
    assert await user.request("PUT", path(alias), {"room_id": room}) == {}


async def listed(user: User, room: str) -> list[str]:
    """The aliases of a room."""
    answer = await user.in_room(room, "GET", "aliases")
    assert list(answer) == ["aliases"]
    return list(answer["aliases"])


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_an_alias_leads_to_its_room(either_home: Home, version: str) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    with refused(404, "M_NOT_FOUND", TEA):
        await alice.request("GET", path(TEA, version))
    assert await alice.request("PUT", path(TEA, version), {"room_id": room}) == {}
    await add(alice, "#Ünïcode/slash:example.org", room)
    answer = await either_home.server.ask("GET", path(TEA, version))
    assert answer.body == {"room_id": room, "servers": ["example.org"]}
    assert await listed(alice, room) == [TEA, "#Ünïcode/slash:example.org"]
    assert await bob.join("#Ünïcode/slash:example.org") == room
    assert await alice.request("DELETE", path(TEA, version)) == {}
    for method in ("GET", "DELETE"):
        with refused(404, "M_NOT_FOUND", TEA):
            await alice.request(method, path(TEA, version))
    assert await listed(alice, room) == ["#Ünïcode/slash:example.org"]


async def test_an_alias_is_given_once(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    rooms = [await alice.create_room(invite=[bob.id]) for _ in range(2)]
    await bob.join(rooms[1])
    answers = await asyncio.gather(add(alice, TEA, rooms[0]), add(bob, TEA, rooms[1]), return_exceptions=True)
    [refusal] = [answer for answer in answers if answer is not None]
    assert isinstance(refusal, Refused)
    assert (refusal.status, refusal.errcode) == (409, "M_UNKNOWN")
    with refused(409, "M_UNKNOWN", TEA):
        await add(alice, TEA, rooms[0])


async def test_aliases_that_cannot_be(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    for alias in ("tea", "#tea", "#te\0a:example.org", "#" + "x" * 250 + ":example.org"):
        with refused(400, "M_INVALID_PARAM", "alias"):
            await add(alice, alias, room)
    with refused(400, "M_INVALID_PARAM", "roomAlias"):
        await add(alice, "#tea:elsewhere.example.com", room)
    with refused(400, "M_BAD_JSON", "room_id"):
        await alice.request("PUT", path(TEA), {})
    with refused(400, "M_INVALID_PARAM", "room_id"):
        await add(alice, TEA, "tea")
    with refused(404, "M_NOT_FOUND"):
        await alice.request("GET", path("#tea:elsewhere.example.com"))
    with refused(404, "M_NOT_FOUND"):
        await alice.request("DELETE", path("#tea:elsewhere.example.com"))


async def test_aliases_are_made_by_members(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    for where in (room, "!unknown:example.org"):
        with refused(403, "M_FORBIDDEN", "room_id"):
            await add(bob, TEA, where)
    await bob.join(room)
    await add(bob, TEA, room)
    guest = await home.guest()
    with refused(403, "M_GUEST_ACCESS_FORBIDDEN"):
        await add(guest, "#guest:example.org", room)


async def test_aliases_are_listed_to_members_and_for_all_where_all_may_read(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(invite=[bob.id], room_alias_name="tea")
    with refused(403, "M_FORBIDDEN"):
        await listed(bob, room)
    await bob.join(room)
    assert await listed(bob, room) == [TEA]
    await bob.leave(room)
    for outsider in (bob, carol):
        with refused(403, "M_FORBIDDEN"):
            await listed(outsider, room)
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert await listed(bob, room) == await listed(carol, room) == [TEA]
    with refused(403, "M_FORBIDDEN"):
        await listed(carol, "!unknown:example.org")


async def test_who_may_remove_an_alias(home: Home) -> None:
    alice, bob, carol, dan = await home.users("alice", "bob", "carol", "dan")
    room = await alice.create_room(preset="public_chat")
    for user in (bob, carol):
        await user.join(room)
    for user in (alice, bob):
        await add(user, f"#{user.id[1:-12]}:example.org", room)
    for user in (carol, dan):
        with refused(403, "M_FORBIDDEN"):
            await user.request("DELETE", path("#alice:example.org"))
    await bob.leave(room)
    await bob.request("DELETE", path("#bob:example.org"))  # their own
    await add(carol, "#carol:example.org", room)
    await alice.request("DELETE", path("#carol:example.org"))  # by power
    await alice.leave(room)
    await add(carol, "#more:example.org", room)
    with refused(403, "M_FORBIDDEN"):
        await alice.request("DELETE", path("#more:example.org"))  # power is nothing outside the room
    assert await listed(carol, room) == ["#alice:example.org", "#more:example.org"]


async def test_an_administrator_may_remove_any_alias(home: Home) -> None:
    alice = await home.user("alice")
    await alice.create_room(room_alias_name="tea")
    admin = await home.server.person("root", admin=True)
    assert (await home.server.ask("DELETE", path(TEA), by=admin)).status == 200
    with refused(404, "M_NOT_FOUND"):
        await alice.request("GET", path(TEA))


async def test_a_removed_alias_is_no_canonical_one(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    for name in ("a", "b", "c"):
        await add(bob, f"#{name}:example.org", room)
    content = {"alias": "#a:example.org", "alt_aliases": ["#b:example.org", "#c:example.org"], "org.example": 1}
    await alice.set_state(room, "m.room.canonical_alias", content)
    await alice.request("DELETE", path("#a:example.org"))
    left = {"alt_aliases": ["#b:example.org", "#c:example.org"], "org.example": 1}
    assert await alice.state(room, "m.room.canonical_alias") == left
    await alice.request("DELETE", path("#b:example.org"))
    assert await alice.state(room, "m.room.canonical_alias") == {**left, "alt_aliases": ["#c:example.org"]}
    await bob.request("DELETE", path("#c:example.org"))  # who may not change the state removes the alias all the same
    assert await listed(alice, room) == []
    assert await alice.state(room, "m.room.canonical_alias") == {**left, "alt_aliases": ["#c:example.org"]}
