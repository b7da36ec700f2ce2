"""What clients used before /sync, and still use to look into rooms: /events and both /initialSync."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.homeserver import Home, User, refused
from tests.support.people import LONG_POLL_MS, Json, segment, texts

HELLO = {"msgtype": "m.text", "body": "hello"}


async def events(user: User, start: str | None = None, **query: Any) -> tuple[list[Json], str]:
    """What is new, and the token behind it."""
    answer = await user.request("GET", "/v3/events", from_=start, **query)
    assert start is None or answer["start"].lstrip("st") == start.lstrip("st").partition("_")[0]
    return answer["chunk"], answer["end"]


@asynccontextmanager
async def waiting(user: User, start: str, **query: Any) -> AsyncIterator["asyncio.Task[tuple[list[Json], str]]"]:
    """A request that waits while the body runs; it must have its answer before long."""
    task = asyncio.create_task(events(user, start, timeout=LONG_POLL_MS, **query))
    while not await user.server.has_waiters():
        assert not task.done(), task.result()
        await asyncio.sleep(0.002)
    yield task
    async with asyncio.timeout(LONG_POLL_MS / 2000):
        await asyncio.wait([task])


async def initial(user: User, **query: Any) -> tuple[dict[str, Json], Json]:
    """The rooms by id, and the whole answer."""
    answer = await user.request("GET", "/v3/initialSync", **query)
    return {room["room_id"]: room for room in answer["rooms"]}, answer


async def room_initial(user: User, room: str, **query: Any) -> Json:
    """One room."""
    answer: Json = await user.in_room(room, "GET", "initialSync", **query)
    assert answer["room_id"] == room
    return answer


def state_of(room: Json) -> dict[tuple[str, str], Json]:
    """The contents of the state."""
    found = {(event["type"], event["state_key"]): event["content"] for event in room["state"]}
    assert len(found) == len(room["state"])
    return found


async def test_the_stream_tells_what_happens(either_home: Home) -> None:
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    room = await alice.create_room(invite=[bob.id])
    chunk, start = await events(bob)
    assert chunk == []
    await bob.join(room)
    await alice.say(room, "hello")
    await bob.receipt(room, await alice.say(room, "there"))
    await alice.type(room)
    chunk, end = await events(bob, start)
    assert texts(chunk) == ["hello", "there"]
    assert {event["room_id"] for event in chunk} == {room}
    joins = [event for event in chunk if event["type"] == "m.room.member"]
    assert [(event["sender"], event["user_id"], event["content"]["membership"]) for event in joins] == [
        (bob.id, bob.id, "join")
    ]
    assert [event["type"] for event in chunk if "event_id" not in event] == ["m.receipt", "m.typing"]
    assert await events(bob, end) == ([], end)


async def test_the_stream_waits(either_home: Home) -> None:
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    room = await alice.create_room(invite=[bob.id])
    await bob.join(room)
    _, start = await events(bob)
    async with waiting(bob, start) as hears:
        await alice.say(room, "hello")
    chunk, _ = hears.result()
    assert texts(chunk) == ["hello"]


async def test_the_stream_has_every_message_in_order(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    _, start = await events(alice)
    said = [await alice.say(room, f"{number}") for number in range(30)]
    chunk, _ = await events(alice, start, limit=5)
    assert [event["event_id"] for event in chunk] == said


async def test_an_invite_comes_whole_with_what_shows_the_room(either_home: Home) -> None:
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    _, start = await events(bob)
    room = await alice.create_room(invite=[bob.id], name="The garden")
    [event], _ = await events(bob, start)
    assert (event["type"], event["state_key"], event["content"]["membership"]) == ("m.room.member", bob.id, "invite")
    shown = {one["type"]: one["content"] for one in event["unsigned"]["invite_room_state"]}
    assert shown["m.room.name"] == {"name": "The garden"}
    rooms, _ = await initial(bob)
    assert (rooms[room]["membership"], rooms[room]["invite"]["event_id"]) == ("invite", event["event_id"])


async def test_account_data_is_in_the_stream_and_in_both_snapshots(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    _, start = await events(alice)
    own = f"/v3/user/{segment(alice.id)}"
    await alice.request("PUT", f"{own}/account_data/org.example.pet", {"kind": "cat"})
    await alice.request("PUT", f"{own}/rooms/{segment(room)}/tags/u.work", {})
    chunk, _ = await events(alice, start)
    tag = {"type": "m.tag", "content": {"tags": {"u.work": {}}}}
    pet = {"type": "org.example.pet", "content": {"kind": "cat"}}
    assert chunk == [{**tag, "room_id": room}, pet]
    rooms, answer = await initial(alice)
    assert (rooms[room]["account_data"], answer["account_data"]) == ([tag], [pet])
    assert (await room_initial(alice, room))["account_data"] == [tag]


async def test_messages_to_devices_wait_for_sync(either_home: Home) -> None:
    """Who reads the stream has not got them, though its tokens are those of syncs."""
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    body = {"messages": {bob.id: {"*": {"text": "psst"}}}}
    await alice.request("PUT", "/v3/sendToDevice/org.example.note/1", body)
    _, end = await events(bob)
    await events(bob, end)
    assert [one["content"] for one in (await bob.sync()).body["to_device"]["events"]] == [{"text": "psst"}]


async def test_the_snapshot_of_everything(either_home: Home) -> None:
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    room = await alice.create_room(preset="public_chat", visibility="public", topic="Roses")
    await bob.join(room)
    said = [await alice.say(room, f"{number}") for number in range(5)]
    await bob.receipt(room, said[-1])
    left = await alice.create_room(preset="public_chat")
    await bob.join(left)
    await bob.leave(left)
    await alice.say(left, "he is gone")
    rooms, answer = await initial(bob, limit=2)
    assert set(rooms) == {room}
    assert (rooms[room]["membership"], rooms[room]["visibility"]) == ("join", "public")
    assert state_of(rooms[room])["m.room.topic", ""]["topic"] == "Roses"
    messages = rooms[room]["messages"]
    assert [event["event_id"] for event in messages["chunk"]] == said[-2:]
    before = await bob.messages(room, from_=messages["start"], limit=2)
    assert [event["event_id"] for event in before["chunk"]] == [said[2], said[1]]
    assert answer["presence"] == []
    assert [(one["room_id"], list(one["content"])) for one in answer["receipts"]] == [(room, [said[-1]])]
    await alice.say(room, "later")
    assert texts((await events(bob, answer["end"]))[0]) == ["later"]
    rooms, _ = await initial(bob, limit=0, archived="true")
    assert (rooms[left]["membership"], rooms[left]["messages"]["chunk"]) == ("leave", [])
    assert rooms[left]["visibility"] == "private"
    assert rooms[room]["messages"]["chunk"] == []


async def test_the_snapshot_of_a_room_one_has_left(either_home: Home) -> None:
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    room = await alice.create_room(preset="public_chat", topic="before")
    await bob.join(room)
    await alice.say(room, "heard")
    await bob.leave(room)
    await alice.set_state(room, "m.room.topic", {"topic": "after"})
    await alice.say(room, "not heard")
    found = await room_initial(bob, room, limit=2)
    assert found["membership"] == "leave"
    assert state_of(found)["m.room.topic", ""]["topic"] == "before"
    assert [event["type"] for event in found["messages"]["chunk"]] == ["m.room.message", "m.room.member"]
    assert (found["receipts"], found["presence"]) == ([], [])
    with refused(403, "M_FORBIDDEN"):
        await room_initial(await either_home.user("carol"), await alice.create_room())


async def test_guests_look_into_an_open_room(either_home: Home) -> None:
    alice, guest = await either_home.user("alice"), await either_home.guest()
    room = await alice.create_room()
    await alice.say(room, "hidden")
    for attempt in (room_initial(guest, room), events(guest, room_id=room)):
        with refused(403, "M_FORBIDDEN"):
            await attempt
    with refused(403, "M_GUEST_ACCESS_FORBIDDEN", "room_id"):
        await events(guest)
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    await alice.say(room, "shown")
    found = await room_initial(guest, room)
    assert "membership" not in found
    assert [event["type"] for event in found["messages"]["chunk"]] == ["m.room.history_visibility", "m.room.message"]
    assert (await room_initial(guest, room, limit=0))["messages"]["chunk"] == []
    start = found["messages"]["end"]
    async with waiting(guest, start, room_id=room) as hears:
        await alice.say(room, "new")
    chunk, end = hears.result()
    assert texts(chunk) == ["new"]
    assert (await events(guest, end, room_id=room))[0] == []
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    with refused(403, "M_FORBIDDEN"):
        await events(guest, end, room_id=room)


async def test_members_may_ask_for_one_room_alone(either_home: Home) -> None:
    alice = await either_home.user("alice")
    here, there = await alice.create_room(), await alice.create_room()
    _, start = await events(alice)
    await alice.say(there, "there")
    await alice.say(here, "here")
    assert texts((await events(alice, start, room_id=here))[0]) == ["here"]


async def test_one_event_by_its_id_alone(either_home: Home) -> None:
    alice, bob = await either_home.user("alice"), await either_home.user("bob")
    room = await alice.create_room()
    said = await alice.say(room, "hello")
    event = await alice.request("GET", f"/v3/events/{segment(said)}")
    assert (event["room_id"], event["content"]) == (room, HELLO)
    for who, event_id in ((bob, said), (alice, "$nothing")):
        with refused(404, "M_NOT_FOUND"):
            await who.request("GET", f"/v3/events/{segment(event_id)}")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("events", {"from_": "nonsense"}),
        ("events", {"timeout": "long"}),
        ("events", {"timeout": -1}),
        ("events", {"limit": -2}),
        ("events", {"room_id": "garden"}),
        ("initialSync", {"limit": "hello"}),
        ("initialSync", {"limit": -1}),
        ("initialSync", {"archived": "perhaps"}),
    ],
)
async def test_what_makes_no_sense(home: Home, path: str, query: Json) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM", next(iter(query)).rstrip("_")):
        await alice.request("GET", f"/v3/{path}", **query)
