"""POST /read_markers: the fully-read marker and both receipts in one call."""

import pytest

from tests.support.homeserver import Home, refused


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_marker_and_receipts_in_one_call(either_home: Home, version: str) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    await bob.join(room)
    first, second, third = [await alice.say(room, text) for text in ("one", "two", "three")]
    await alice.sync()
    await bob.sync()
    phone = await bob.log_in_again()
    await phone.sync()
    body = {"m.fully_read": first, "m.read": second, "m.read.private": third}
    async with phone.waiting() as hears:
        assert await bob.request("POST", f"/{version}/rooms/{room}/read_markers", body) == {}
    heard = [hears.result(), await phone.sync()]
    receipts = set().union(*(each.joined(room).receipts for each in heard))
    assert receipts == {(second, "m.read", bob.id, None), (third, "m.read.private", bob.id, None)}
    markers = [data for each in heard if (data := each.joined(room).account_data)]
    assert markers == [{"m.fully_read": {"event_id": first}}]
    assert (await phone.sync_anew()).joined(room).unread == (0, 0)
    assert (await alice.sync()).joined(room).receipts == {(second, "m.read", bob.id, None)}
    path = f"/v3/user/{bob.id}/rooms/{room}/account_data/m.fully_read"
    assert await bob.request("GET", path) == {"event_id": first}


async def test_nothing_has_to_be_named(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.sync()
    for body in ({}, None, {"m.read": None, "unknown": 5}):
        assert await alice.in_room(room, "POST", "read_markers", body) == {}
    assert not (await alice.sync()).rooms


async def test_events_of_elsewhere_mark_nothing(home: Home) -> None:
    alice = await home.user("alice")
    room, other = await alice.create_room(), await alice.create_room()
    elsewhere = await alice.say(other, "hello")
    await alice.sync()
    for event in (elsewhere, "$unknown"):
        body = dict.fromkeys(("m.fully_read", "m.read", "m.read.private"), event)
        assert await alice.in_room(room, "POST", "read_markers", body) == {}
    assert not (await alice.sync()).rooms


@pytest.mark.parametrize("kind", ["m.fully_read", "m.read", "m.read.private"])
async def test_markers_that_are_none(home: Home, kind: str) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    said = await alice.say(room, "hello")
    with refused(400, "M_INVALID_PARAM", kind):
        await alice.in_room(room, "POST", "read_markers", {kind: "hello"})
    with refused(400, "M_BAD_JSON", kind):
        await alice.in_room(room, "POST", "read_markers", {kind: 5})
    with refused(403, "M_FORBIDDEN"):
        await bob.in_room(room, "POST", "read_markers", {kind: said})
