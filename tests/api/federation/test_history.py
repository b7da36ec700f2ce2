"""Events and stretches of history, as other servers get them."""

from typing import Any

import pytest

from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.api.federation.neighbour import Neighbour, segment
from tests.support.homeserver import Json, User

pytestmark = pytest.mark.usefixtures("neighbour")


async def shared_room(there: Neighbour, alice: User, visibility: str = "shared", **body: Any) -> str:
    """A room of Alice that Bob, of the other server, has joined."""
    room = await private_room(alice, visibility, **body)
    await there.move(room, "join")
    return room


async def private_room(alice: User, visibility: str = "shared", **body: Any) -> str:
    content = {"history_visibility": visibility}
    state = [{"type": "m.room.history_visibility", "state_key": "", "content": content}]
    return await alice.create_room(preset="public_chat", initial_state=state, **body)


def event_id(pdu: Json, version: str = "12") -> str:
    """The id of an event that came over federation; its hash is good, or it is in its redacted form."""
    return event_from_pdu(pdu, ROOM_VERSIONS[version]).event_id


def said(pdus: list[Json]) -> list[str]:
    """What was said in events, or their types."""
    return [pdu["content"].get("body", "hidden") if pdu["type"] == "m.room.message" else pdu["type"] for pdu in pdus]


async def backfilled(there: Neighbour, room: str, limit: int, *start: str) -> list[Json]:
    answer = await there.get(f"/backfill/{segment(room)}", [*(("v", each) for each in start), ("limit", limit)])
    assert answer.status == 200, answer
    assert (answer.body["origin"], answer.body["origin_server_ts"] > 0) == ("example.org", True)
    pdus: list[Json] = answer.body["pdus"]
    return pdus


async def missed(there: Neighbour, room: str, latest: list[str], earliest: list[str], **more: int) -> list[Json]:
    body = {"latest_events": latest, "earliest_events": earliest, **more}
    answer = await there.ask("POST", f"/get_missing_events/{segment(room)}", body)
    assert answer.status == 200, answer
    assert set(answer.body) == {"events"}
    events: list[Json] = answer.body["events"]
    return events


async def seen(there: Neighbour, event: str) -> str:
    """What is seen of one event."""
    answer = await there.get(f"/event/{segment(event)}")
    assert answer.status == 200, answer
    (pdu,) = answer.body["pdus"]
    assert (event_id(pdu), answer.body["origin"]) == (event, "example.org")
    return said([pdu])[0]


async def test_an_event_comes_as_it_was_sent(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "hello ü")
    answer = await neighbour.get(f"/event/{segment(told)}")
    (pdu,) = answer.body["pdus"]
    assert event_id(pdu) == told
    assert pdu["content"] == {"msgtype": "m.text", "body": "hello ü"}
    assert set(pdu["signatures"]) == {"example.org"}
    assert not {"event_id", "unsigned"} & set(pdu)


@pytest.mark.parametrize(
    ("visibility", "before", "invited"),
    [("world_readable", "1", "2"), ("shared", "1", "2"), ("invited", "hidden", "2"), ("joined", "hidden", "hidden")],
)
async def test_what_a_server_sees_follows_the_history_visibility(
    neighbour: Neighbour, visibility: str, before: str, invited: str
) -> None:
    alice = await neighbour.home.user("alice")
    room = await private_room(alice, visibility)
    first = await alice.say(room, "1")
    invite = await neighbour.make(
        room, "m.room.member", alice.id, {"membership": "invite"}, neighbour.user("bob"), prev=[first]
    )
    await neighbour.add(invite)
    second = await alice.say(room, "2")
    await neighbour.move(room, "join")
    third = await alice.say(room, "3")
    assert [await seen(neighbour, each) for each in (first, second, third)] == [before, invited, "3"]
    hidden = [text for text in (before, invited) if text != "hidden"]
    page = await backfilled(neighbour, room, 5, third)
    assert [text for text in said(page) if text.isdigit()] == ["3", *reversed(hidden)]
    assert len(page) == 5


async def test_what_was_said_between_two_stays_is_hidden_where_only_members_may_see_it(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice, "joined")
    told = [await alice.say(room, "bob is here")]
    await neighbour.move(room, "leave")
    told.append(await alice.say(room, "nobody"))
    await neighbour.move(room, "join", "carl")
    told.append(await alice.say(room, "carl is here"))
    await neighbour.move(room, "join", "bob")
    await neighbour.move(room, "leave", "carl")
    told.append(await alice.say(room, "bob again"))
    assert [await seen(neighbour, each) for each in told] == ["bob is here", "hidden", "carl is here", "bob again"]
    assert "hidden" in said(await missed(neighbour, room, [told[-1]], [], limit=20))


async def test_a_change_of_the_visibility_holds_from_there_on(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await private_room(alice, "shared")
    first = await alice.say(room, "open")
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    second = await alice.say(room, "closed")
    await neighbour.move(room, "join")
    assert (await seen(neighbour, first), await seen(neighbour, second)) == ("open", "hidden")


async def test_users_of_servers_with_longer_names_are_not_ours(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await private_room(alice, "joined")
    others = Neighbour(neighbour.home, type(neighbour.name)(f"evil.{neighbour.name}"))
    await others.move(room, "join")
    told = await alice.say(room, "to evil")
    await neighbour.move(room, "join")
    assert await seen(neighbour, told) == "hidden"


async def test_what_was_redacted_here_goes_out_redacted(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "regretted")
    later = await alice.say(room, "later")
    await alice.redact(room, told)
    assert await seen(neighbour, told) == "hidden"
    assert said(await backfilled(neighbour, room, 2, later)) == ["later", "hidden"]
    assert said(await missed(neighbour, room, [later], [], limit=1)) == ["hidden"]


async def test_backfill_goes_back_from_the_newest_and_stops_at_its_limit(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = [await alice.say(room, str(n)) for n in range(105)]
    assert said(await backfilled(neighbour, room, 3, told[4])) == ["4", "3", "2"]
    assert said(await backfilled(neighbour, room, 3, told[4], told[2], told[4])) == ["4", "2", "3"]
    assert said(await backfilled(neighbour, room, 1_000_000_000_000, told[-1])) == [str(n) for n in range(104, 4, -1)]
    whole = await backfilled(neighbour, room, 100, told[0])
    assert (said(whole)[:2], said(whole)[-1]) == (["0", "m.room.member"], "m.room.create")
    assert len({event_id(pdu) for pdu in whole}) == len(whole)


async def test_backfill_follows_both_sides_of_a_fork(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    root = await alice.say(room, "root")
    left = await neighbour.say(room, "left", prev=[root])
    right = await neighbour.say(room, "right", prev=[root])
    right = await neighbour.say(room, "further right", prev=[right])
    top = await neighbour.say(room, "top", prev=[left, right])
    assert said(await backfilled(neighbour, room, 5, top)) == ["top", "further right", "left", "right", "root"]
    assert said(await missed(neighbour, room, [top], [root])) == ["left", "right", "further right"]
    assert said(await missed(neighbour, room, [top], [left, root])) == ["right", "further right"]


async def test_what_was_set_aside_is_sent_where_other_events_name_it(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    root = await alice.say(room, "root")
    text = {"body": "soft", "msgtype": "m.text"}
    soft = await neighbour.make(room, "m.room.message", neighbour.user("bob"), text, prev=[root])
    bad = await neighbour.make(room, "m.room.message", neighbour.user("bob"), {**text, "body": "bad"}, prev=[root])
    await neighbour.set_aside(soft)
    await neighbour.set_aside(bad, rejected="for a test")
    plain = await alice.say(room, "plain")
    assert said(await backfilled(neighbour, room, 2, plain)) == ["plain", "root"]
    on_both = await neighbour.say(room, "on both", prev=[soft.event_id, bad.event_id])
    assert said(await backfilled(neighbour, room, 4, on_both)) == ["on both", "bad", "soft", "root"]
    assert said(await missed(neighbour, room, [on_both], [root])) == ["soft", "bad"]
    assert (await seen(neighbour, soft.event_id), await seen(neighbour, bad.event_id)) == ("soft", "bad")


async def test_missing_events_lie_between_and_come_oldest_first(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = [await alice.say(room, str(n)) for n in range(30)]
    assert said(await missed(neighbour, room, [told[29]], [told[25]])) == ["26", "27", "28"]
    assert said(await missed(neighbour, room, [told[29]], [])) == [str(n) for n in range(19, 29)]
    assert said(await missed(neighbour, room, [told[29]], [], limit=2)) == ["27", "28"]
    assert said(await missed(neighbour, room, [told[29]], [], limit=10**12)) == [str(n) for n in range(9, 29)]
    assert said(await missed(neighbour, room, [told[29], told[27]], [told[25]])) == ["26", "28"]
    depth = (await neighbour.get(f"/event/{segment(told[27])}")).body["pdus"][0]["depth"]
    assert said(await missed(neighbour, room, [told[29]], [], min_depth=depth)) == ["27", "28"]
    assert await missed(neighbour, room, [told[29]], [], min_depth=2**53) == []
    assert await missed(neighbour, room, [], [told[3]]) == []
    assert await missed(neighbour, room, ["$nothing"], []) == []


async def test_events_of_which_no_state_is_known_show_what_held_at_the_end_of_the_gap(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    for visibility, expected in (("shared", "fetched"), ("joined", "hidden")):
        room = await shared_room(neighbour, alice, visibility)
        text = {"msgtype": "m.text", "body": "fetched"}
        fetched = await neighbour.make(room, "m.room.message", "@carl:carl.test", text)
        own = await neighbour.make(room, "m.room.message", neighbour.user("bob"), text, prev=[fetched.event_id])
        end = await neighbour.say(room, "end", prev=[own.event_id])
        await neighbour.fetch(end, own, fetched)
        assert said(await backfilled(neighbour, room, 3, end)) == ["end", "fetched", expected]


async def test_a_change_of_the_visibility_within_a_gap_is_heeded(neighbour: Neighbour) -> None:
    """`shared` at the gap's end; going back: a message, the change to `shared`, a message of which nothing is known,
    the change to `joined`, a message of before."""
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice, "shared")
    fetched: list[Event] = []
    for kind, what in (("m", "before"), ("v", "joined"), ("m", "closed"), ("v", "shared"), ("m", "open")):
        before = [fetched[-1].event_id] if fetched else None
        if kind == "m":
            content: Json = {"msgtype": "m.text", "body": what}
            event = await neighbour.make(room, "m.room.message", "@carl:carl.test", content, prev=before)
        else:
            content = {"history_visibility": what}
            event = await neighbour.make(room, "m.room.history_visibility", alice.id, content, "", prev=before)
        fetched.append(event)
    end = await neighbour.say(room, "end", prev=[fetched[-1].event_id])
    await neighbour.fetch(end, *reversed(fetched))
    pdus = await backfilled(neighbour, room, 6, end)
    assert [text for text in said(pdus) if not text.startswith("m.")] == ["end", "open", "hidden", "hidden"]
    assert [pdu["content"] for pdu in pdus if pdu["type"] == "m.room.history_visibility"] == [
        {"history_visibility": "shared"},
        {"history_visibility": "joined"},
    ]


async def test_outside_the_timeline_only_what_authorizes_is_sent_in_full(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    text = {"msgtype": "m.text", "body": "unplaced"}
    message = await neighbour.make(room, "m.room.message", "@carl:carl.test", text)
    topic = await neighbour.make(room, "m.room.topic", "@carl:carl.test", {"topic": "unplaced"}, "")
    own = await neighbour.make(room, "m.room.message", neighbour.user("bob"), text)
    for event in (message, topic, own):
        await neighbour.keep(event)
    assert [await seen(neighbour, each.event_id) for each in (message, own)] == ["hidden", "unplaced"]
    (pdu,) = (await neighbour.get(f"/event/{segment(topic.event_id)}")).body["pdus"]
    assert pdu["content"] == {"topic": "unplaced"}
