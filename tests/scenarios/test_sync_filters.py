"""Filters of /sync in all their dimensions, inline and stored."""

from typing import Any

import pytest

from oriz_matrix.services.sync import timelines
from tests.support.homeserver import Home, Json, User, ids

WIDE = {"limit": 100}


async def full_room(home: Home) -> tuple[str, User, User]:
    """A room in which alice and bob did a little of everything."""
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", name="Tea")
    await bob.join(room)
    await alice.say(room, "a")
    said = await bob.say(room, "b", more={"url": "mxc://example.org/b"})
    await alice.send(room, "org.example.noise", {"n": 1})
    await alice.receipt(room, said)
    await alice.type(room)
    await bob.receipt(room, said, "m.fully_read")
    return room, alice, bob


TIMELINES: list[tuple[Json, list[str]]] = [
    ({"types": ["m.room.message"]}, ["a", "b"]),
    ({"types": ["m.*"], "senders": ["@alice:example.org"]}, ["a"]),
    ({"not_senders": ["@alice:example.org"]}, ["b"]),
    ({"not_types": ["m.room.*"]}, []),
    ({"contains_url": True}, ["b"]),
    ({"types": ["m.room.message"], "contains_url": False}, ["a"]),
    ({"types": []}, []),
    ({"rooms": []}, []),
    ({"not_rooms": ["!other:example.org"]}, ["a", "b"]),
]


@pytest.mark.parametrize(("wanted", "said"), TIMELINES)
async def test_the_timeline(home: Home, wanted: Json, said: list[str]) -> None:
    room, _, bob = await full_room(home)
    update = (await bob.sync(filter={"room": {"timeline": {**WIDE, **wanted}}})).joined(room)
    assert update.texts == said
    assert all(kind.startswith("m.") for kind in update.types) or "types" not in wanted


async def test_the_state(home: Home) -> None:
    room, alice, bob = await full_room(home)
    choices: list[tuple[Json, set[str]]] = [
        ({"types": ["m.room.name"]}, {"m.room.name"}),
        ({"types": ["m.room.n*", "m.room.create"], "not_types": ["m.room.create"]}, {"m.room.name"}),
        ({"types": []}, set()),
        ({"not_rooms": [room]}, set()),
        ({"senders": [bob.id]}, {"m.room.member"}),
        ({"not_senders": [alice.id]}, {"m.room.member"}),
    ]
    for wanted, types in choices:
        answer = await bob.sync_anew(filter={"room": {"state": wanted, "timeline": {"limit": 1}}})
        assert answer.joined(room).state_types == types, wanted


@pytest.mark.parametrize(
    ("wanted", "typing", "receipt"),
    [
        ({}, True, True),
        ({"types": ["m.typing"]}, True, False),
        ({"not_types": ["m.typing"]}, False, True),
        ({"types": []}, False, False),
        ({"rooms": []}, False, False),
    ],
)
async def test_ephemeral_events(home: Home, wanted: Json, typing: bool, receipt: bool) -> None:
    room, _, bob = await full_room(home)
    update = (await bob.sync(filter={"room": {"ephemeral": wanted}})).joined(room)
    assert bool(update.typing) == typing
    assert bool(update.receipts) == receipt
    update = (await bob.sync_anew(filter={"room": {"ephemeral": {**wanted, "not_rooms": [room]}}})).joined(room)
    assert update.typing is None
    assert not update.receipts


async def test_account_data(home: Home) -> None:
    room, _, bob = await full_room(home)
    for wanted, found in (
        ({}, True),
        ({"types": ["m.fully_read"]}, True),
        ({"not_types": ["m.*"]}, False),
        ({"not_rooms": [room]}, False),
    ):
        answer = await bob.sync_anew(filter={"room": {"account_data": wanted}})
        assert bool(answer.joined(room).account_data) == found
        assert "m.push_rules" in answer.account_data
    answer = await bob.sync_anew(filter={"account_data": {"not_types": ["m.push_rules"]}})
    assert "m.push_rules" not in answer.account_data


async def test_push_rules_come_once(home: Home) -> None:
    alice = await home.user("alice")
    rules = (await alice.sync()).account_data["m.push_rules"]
    assert rules == await alice.request("GET", "/v3/pushrules/")
    assert "m.push_rules" not in (await alice.sync()).account_data


async def test_event_fields(home: Home) -> None:
    room, _, bob = await full_room(home)
    wanted: Any = {"event_fields": ["type", "content.body", "content.membership", "sender"], "room": {"timeline": WIDE}}
    update = (await bob.sync(filter=wanted)).joined(room)
    message = next(event for event in update.timeline if event["type"] == "m.room.message")
    assert message == {"type": "m.room.message", "content": {"body": "a"}, "sender": "@alice:example.org"}
    wanted["room"] = {"timeline": {"limit": 1}}
    update = (await bob.sync_anew(filter=wanted)).joined(room)
    create = next(event for event in update.state if event["type"] == "m.room.create")
    assert create == {"type": "m.room.create", "sender": "@alice:example.org"}


async def test_event_format(home: Home) -> None:
    room, _, bob = await full_room(home)
    update = (await bob.sync(filter={"event_format": "federation", "room": {"timeline": {"limit": 1}}})).joined(room)
    for event in update.timeline + update.state:
        assert {"event_id", "auth_events", "prev_events", "hashes", "signatures", "depth"} <= event.keys()


async def test_rooms(home: Home) -> None:
    room, alice, bob = await full_room(home)
    other = await bob.create_room()
    for wanted, found in (
        ({"rooms": [room]}, {room}),
        ({"rooms": []}, set()),
        ({"not_rooms": [room]}, {other}),
        ({"rooms": [room, other], "not_rooms": [room]}, {other}),
    ):
        assert (await bob.sync_anew(filter={"room": wanted})).rooms == found
    await bob.sync_anew()
    await alice.say(room, "new")
    assert not (await bob.sync(filter={"room": {"not_rooms": [room]}})).rooms


async def test_a_stored_filter_works_like_an_inline_one(either_home: Home) -> None:
    room, _, bob = await full_room(either_home)
    wanted = {"room": {"timeline": {"types": ["m.room.message"], "senders": [bob.id]}}}
    stored = await bob.request("POST", f"/v3/user/{bob.id}/filter", wanted)
    inline = (await bob.sync_anew(filter=wanted)).joined(room)
    by_id = (await bob.sync_anew(filter=stored["filter_id"])).joined(room)
    assert inline.texts == by_id.texts == ["b"]
    assert [event["event_id"] for event in inline.state] == [event["event_id"] for event in by_id.state]


async def test_include_leave_is_for_first_syncs(home: Home) -> None:
    room, _, bob = await full_room(home)
    await bob.leave(room)
    wanted = {"room": {"include_leave": True}}
    assert (await bob.sync(filter=wanted)).sections(room) == ["leave"]
    assert not (await bob.sync(filter=wanted)).rooms
    assert not (await bob.sync_anew()).rooms


async def test_a_rare_filter_does_not_walk_the_whole_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says that there may be more, and paging on from it finds all of it once."""
    monkeypatch.setattr(timelines, "MAX_LOOKED_AT", 20)
    monkeypatch.setattr(timelines, "CHUNK", 10)
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    rare = [await alice.send(room, "org.example.rare", {})]
    for number in range(60):
        await alice.say(room, str(number))
        if number in (30, 58):
            rare.append(await alice.send(room, "org.example.rare", {}))
    wanted = {"types": ["org.example.rare"], "limit": 5}
    update = (await bob.sync(filter={"room": {"timeline": wanted}})).joined(room)
    assert update.limited
    assert ids(update.timeline) == rare[2:]
    earlier = await bob.history(room, "b", from_=update.prev_batch, filter={"types": ["org.example.rare"]})
    assert ids(earlier) == rare[1::-1]
    nothing = (await bob.sync_anew(filter={"room": {"timeline": {"types": ["org.example.none"]}}})).joined(room)
    assert (nothing.limited, nothing.timeline) == (True, [])
    everything = await bob.history(room, "b", from_=nothing.prev_batch, filter={"types": ["org.example.rare"]})
    assert ids(everything) == rare[::-1]
