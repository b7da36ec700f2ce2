"""Who sees which events: history visibility against past and present membership, on every way that leads to them."""

from typing import Any

import pytest

from tests.support.homeserver import Home, Json, Refused, User, texts

VISIBILITIES = ("world_readable", "shared", "invited", "joined")

SEEN: dict[str, dict[str, str | None]] = {
    "world_readable": {
        "stranger": "abcde",
        "invited": "abcde",
        "late": "abcde",
        "left": "abcde",
        "returned": "abcde",
        "banned": "abcde",
    },
    "shared": {
        "stranger": None,
        "invited": None,
        "late": "abcde",
        "left": "abc",
        "returned": "abcde",
        "banned": "abc",
    },
    "invited": {
        "stranger": None,
        "invited": None,
        "late": "cde",
        "left": "c",
        "returned": "ce",
        "banned": "c",
    },
    "joined": {
        "stranger": None,
        "invited": None,
        "late": "de",
        "left": "c",
        "returned": "ce",
        "banned": "c",
    },
}
"""What each guest of the play sees: a before anybody came, c while `left` and the others were in, e at the end."""


async def sees_by_event(user: User, room: str, said: dict[str, str]) -> str:
    """Which messages GET /event gives to somebody; what they may not see is not there for them."""
    seen = ""
    for event_id in said.values():
        try:
            seen += (await user.event(room, event_id))["content"]["body"]
        except Refused as error:
            if error.status != 404:
                raise
    return seen


async def sees_by_messages(user: User, room: str, direction: str) -> str | None:
    """Which messages GET /messages gives to somebody."""
    try:
        found = texts(await user.history(room, direction, limit=3))
    except Refused as error:
        if error.status != 403:
            raise
        return None
    return "".join(found if direction == "f" else found[::-1])


async def play(home: Home, visibility: str) -> tuple[str, dict[str, str], dict[str, User]]:
    """a, b; left, returned and banned come, late is invited; c; they go, late joins; d; returned comes back; e."""
    alice, *guests = await home.users("alice", "stranger", "invited", "late", "left", "returned", "banned")
    people = {user.id[1:].partition(":")[0]: user for user in guests}
    state = [{"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}]
    room = await alice.create_room(preset="public_chat", initial_state=state)
    said = {"a": await alice.say(room, "a"), "b": await alice.say(room, "b")}
    for name in ("left", "returned", "banned"):
        await people[name].join(room)
    await alice.invite(room, people["late"])
    said["c"] = await alice.say(room, "c")
    await people["left"].leave(room)
    await people["returned"].leave(room)
    await alice.set_member(room, people["banned"], "ban")
    await people["late"].join(room)
    said["d"] = await alice.say(room, "d")
    await people["returned"].join(room)
    await alice.invite(room, people["invited"])
    said["e"] = await alice.say(room, "e")
    return room, said, people


@pytest.mark.parametrize("visibility", VISIBILITIES)
async def test_trap_46_every_visibility_against_every_membership(either_home: Home, visibility: str) -> None:
    room, said, people = await play(either_home, visibility)
    for name, seen in SEEN[visibility].items():
        user = people[name]
        assert await sees_by_event(user, room, said) == (seen or ""), name
        paged = seen if name not in ("left", "banned") or seen is None else seen.replace("de", "")
        for direction in "bf":
            assert await sees_by_messages(user, room, direction) == paged, name


@pytest.mark.parametrize("visibility", VISIBILITIES)
async def test_trap_46_a_first_sync_shows_no_more_than_the_rest(home: Home, visibility: str) -> None:
    room, _, people = await play(home, visibility)
    wanted: Json = {"room": {"include_leave": True, "timeline": {"limit": 100}}}
    for name, seen in SEEN[visibility].items():
        answer = await people[name].sync(filter=wanted)
        if name in ("late", "returned"):
            assert "".join(answer.joined(room).texts) == seen
        elif name in ("left", "banned"):
            assert "".join(answer.left(room).texts) == (seen or "").replace("de", "")
        else:
            assert answer.sections(room) == (["invite"] if name == "invited" else [])


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [("joined", "shared", True), ("shared", "joined", True), ("invited", "joined", False), ("joined", "joined", False)],
)
async def test_trap_46_a_change_of_visibility_is_judged_by_the_more_open(
    home: Home, before: str, after: str, seen: bool
) -> None:
    alice, bob = await home.users("alice", "bob")
    first = [{"type": "m.room.history_visibility", "content": {"history_visibility": before}}]
    room = await alice.create_room(preset="public_chat", initial_state=first)
    change = await alice.set_state(room, "m.room.history_visibility", {"history_visibility": after, "again": True})
    hidden = await alice.say(room, "under the new one")
    await bob.join(room)
    timeline = [event["event_id"] for event in await bob.history(room)]
    assert (change in timeline) == seen
    assert (hidden in timeline) == (after == "shared")


async def test_trap_46_state_events_are_hidden_like_all_others(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    hidden: Any = [{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}]
    room = await alice.create_room(preset="public_chat", initial_state=hidden)
    topic = await alice.set_state(room, "m.room.topic", {"topic": "old"})
    await bob.join(room)
    update = (await bob.sync()).joined(room)
    assert topic not in [event["event_id"] for event in update.timeline]
    assert topic in [event["event_id"] for event in update.state]
    assert topic not in [event["event_id"] for event in await bob.history(room)]


async def test_a_value_that_nobody_knows_means_shared(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    odd = [{"type": "m.room.history_visibility", "content": {"history_visibility": "blue"}}]
    room = await alice.create_room(preset="public_chat", initial_state=odd)
    await alice.say(room, "before")
    await bob.join(room)
    assert "before" in texts(await bob.history(room))


async def test_invites_are_judged_at_the_event(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    invited = [{"type": "m.room.history_visibility", "content": {"history_visibility": "invited"}}]
    room = await alice.create_room(initial_state=invited)
    await alice.say(room, "before")
    await alice.invite(room, bob)
    await alice.say(room, "while invited")
    await bob.leave(room)
    await alice.say(room, "while declined")
    await alice.invite(room, bob)
    await bob.join(room)
    assert texts(await bob.history(room, "f")) == ["while invited"]
