"""GET /context and GET /timestamp_to_event: what stands around an event, and which event is nearest to a time."""

import pytest

from oriz_matrix.base.clock import FakeClock
from tests.support.homeserver import Home, User, ids, refused, texts

MEMBER = "m.room.member"
LAZY = {"lazy_load_members": True}


async def talk(alice: User, *said: str) -> tuple[str, list[str]]:
    """A public room and the ids of what Alice said in it."""
    room = await alice.create_room(preset="public_chat", name="Tea")
    return room, [await alice.say(room, text) for text in said]


@pytest.mark.parametrize(
    ("limit", "before", "after"),
    [(0, "", ""), (1, "", "e"), (2, "c", "e"), (4, "cb", "ef"), (5, "cb", "efg"), (None, "cba", "efg")],
)
async def test_what_stands_around(either_home: Home, limit: int | None, before: str, after: str) -> None:
    alice = await either_home.user("alice")
    room, said = await talk(alice, *"abcdefg")
    context = await alice.context(room, said[3], limit=limit)
    assert context["event"]["event_id"] == said[3]
    assert context["event"]["room_id"] == room
    assert "".join(texts(context["events_before"])) == before
    assert "".join(texts(context["events_after"])) == after
    older = await alice.history(room, "b", from_=context["start"])
    newer = await alice.history(room, "f", from_=context["end"])
    everything = [*newer[::-1], *context["events_after"][::-1], context["event"], *context["events_before"], *older]
    assert ids(everything) == ids(await alice.history(room, "b")), "no seam"


async def test_the_state_is_that_at_the_last_event(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room, said = await talk(alice, "a", "b")
    renamed = await alice.set_state(room, "m.room.name", {"name": "Coffee"})
    await alice.say(room, "c")
    await alice.set_state(room, "m.room.name", {"name": "Cocoa"})
    for limit, name in ((0, "Tea"), (1, "Coffee"), (2, "Coffee"), (6, "Cocoa")):
        context = await alice.context(room, said[1], limit=limit)
        state = {(event["type"], event["state_key"]): event for event in context["state"]}
        assert len(state) == len(context["state"])
        assert state["m.room.name", ""]["content"] == {"name": name}
        assert (MEMBER, alice.id) in state
    own, further = [await alice.context(room, renamed, limit=limit) for limit in (0, 1)]
    assert ids(own["state"]) == ids(further["state"])


async def test_filters(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room, said = await talk(alice, "a", "b", "c")
    await bob.join(room)
    await bob.say(room, "d")
    wanted = {"types": ["m.room.message", "m.room.name"], "not_senders": [bob.id]}
    context = await alice.context(room, said[1], limit=10, filter=wanted)
    assert texts(context["events_before"]) == ["a"]
    assert texts(context["events_after"]) == ["c"]
    assert [event["type"] for event in context["state"]] == ["m.room.name"]
    dropped = await alice.context(room, said[1], filter={"types": [], "limit": 3})
    assert (dropped["events_before"], dropped["events_after"], dropped["state"]) == ([], [], [])
    assert dropped["event"]["event_id"] == said[1], "the event itself is not filtered"
    assert len(ids((await alice.context(room, said[1], filter={"limit": 2}))["events_before"])) == 1


async def test_lazy_members_are_those_who_sent_the_events(home: Home) -> None:
    alice, bob, carol, dave = await home.users("alice", "bob", "carol", "dave")
    room = await alice.create_room(preset="public_chat")
    for user in (bob, carol, dave):
        await user.join(room)
    await bob.say(room, "a")
    middle = await carol.say(room, "b")
    await alice.say(room, "c")
    context = await dave.context(room, middle, limit=2, filter=LAZY)
    members = {event["state_key"] for event in context["state"] if event["type"] == MEMBER}
    assert members == {alice.id, bob.id, carol.id}
    assert "m.room.create" in {event["type"] for event in context["state"]}


async def test_only_what_may_be_seen(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room, said = await talk(alice, "before")
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    hidden = await alice.say(room, "hidden")
    await bob.join(room)
    seen = await alice.say(room, "seen")
    last = await alice.say(room, "last")
    await bob.leave(room)
    late = await alice.say(room, "late")
    await alice.set_state(room, "m.room.name", {"name": "Behind your back"})
    context = await bob.context(room, seen, limit=20)
    assert texts(context["events_before"]) == ["before"], "what was shared when it was said"
    assert texts(context["events_after"]) == ["last"]
    assert {"name": "Tea"} in [event["content"] for event in context["state"]]
    assert MEMBER in [event["type"] for event in context["events_after"]], "they see that they left"
    for event_id in (hidden, late, "$unknown"):
        with refused(404, "M_NOT_FOUND"):
            await bob.context(room, event_id)
    assert (await bob.context(room, said[0]))["event"]["event_id"] == said[0]
    with refused(403, "M_FORBIDDEN"):
        await carol.context(room, last)


async def test_an_event_of_another_room_is_not_here(home: Home) -> None:
    alice = await home.user("alice")
    room, _ = await talk(alice, "a")
    _, elsewhere = await talk(alice, "b")
    with refused(404, "M_NOT_FOUND"):
        await alice.context(room, elsewhere[0])
    for wrong in ({"limit": -1}, {"limit": "many"}, {"filter": "{"}):
        with refused(400, "M_INVALID_PARAM"):
            await alice.context(room, elsewhere[0], **wrong)


async def test_guests_read_what_is_open_to_the_world(home: Home) -> None:
    alice, guest = await home.user("alice"), await home.guest()
    room, _ = await talk(alice)
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    said = await alice.say(room, "hello world")
    assert texts([(await guest.context(room, said))["event"]]) == ["hello world"]


async def test_redactions_show(home: Home) -> None:
    alice = await home.user("alice")
    room, said = await talk(alice, "a", "b")
    name = await alice.set_state(room, "m.room.name", {"name": "A secret"})
    await alice.redact(room, said[0])
    await alice.redact(room, name)
    context = await alice.context(room, said[1], limit=10)
    assert texts(context["events_before"]) == ["(redacted)"]
    assert "A secret" not in str(context)


async def test_the_event_nearest_to_a_time(timed_home: tuple[Home, FakeClock]) -> None:
    home, clock = timed_home
    alice = await home.user("alice")
    room, _ = await talk(alice)
    times, said = [], []
    for text in "abc":
        await clock.advance(60)
        times.append(clock.now_ms())
        said += [await alice.say(room, text), await alice.say(room, text + text)]
    first = (await alice.messages(room, "f", limit=1))["chunk"][0]
    assert await alice.at_time(room, times[1], "f") == said[2], "the first of those at this very time"
    assert await alice.at_time(room, times[1], "b") == said[3], "the last of them"
    assert await alice.at_time(room, times[1] + 1, "f") == said[4]
    assert await alice.at_time(room, times[1] - 1, "b") == said[1]
    for ts in (0, -5, -(10**30)):
        assert await alice.at_time(room, ts, "f") == first["event_id"]
    for ts in (2**62, 10**18):
        assert await alice.at_time(room, ts, "b") == said[5]
    answer = await alice.request("GET", f"/v1/rooms/{room}/timestamp_to_event", ts=times[0], dir="f")
    assert answer == {"event_id": said[0], "origin_server_ts": times[0]}
    for ts, dir_ in ((times[2] + 1, "f"), (first["origin_server_ts"] - 1, "b"), (-1, "b")):
        with refused(404, "M_NOT_FOUND"):
            await alice.at_time(room, ts, dir_)


async def test_no_time_leads_to_what_may_not_be_seen(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room, _ = await talk(alice)
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    for number in range(120):
        await alice.say(room, str(number))
    await bob.join(room)
    said = await alice.say(room, "for Bob")
    await bob.leave(room)
    await alice.say(room, "later")
    since = (await alice.event(room, said))["origin_server_ts"]
    assert (await bob.event(room, await bob.at_time(room, 2**60, "b")))["content"]["membership"] == "leave"
    join = await alice.event(room, (await bob.context(room, said, limit=2))["events_before"][0]["event_id"])
    assert await bob.at_time(room, join["origin_server_ts"], "f") in {join["event_id"], said}
    with refused(404, "M_NOT_FOUND"):
        await bob.at_time(room, since + 60_000, "f")
    with refused(403, "M_FORBIDDEN"):
        await carol.at_time(room, 0, "f")


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"dir": "f"}, "M_MISSING_PARAM"),
        ({"ts": 1}, "M_MISSING_PARAM"),
        ({"ts": "now", "dir": "f"}, "M_INVALID_PARAM"),
        ({"ts": 1, "dir": "up"}, "M_INVALID_PARAM"),
    ],
)
async def test_times_that_are_none(home: Home, query: dict[str, object], errcode: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(400, errcode):
        await alice.request("GET", f"/v1/rooms/{room}/timestamp_to_event", **query)
