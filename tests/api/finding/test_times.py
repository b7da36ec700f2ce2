"""Events by time: asked by other servers, and asked of them where history is missing here."""

from typing import Any

import pytest

from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.storage import gaps, rooms
from oriz_matrix.storage.gaps import Gap
from oriz_matrix.storage.transaction import Transaction
from tests.support.homeserver import Home, refused
from tests.support.in_process import Answer
from tests.support.other_server import OtherServer
from tests.support.people import segment


async def test_the_event_nearest_to_a_time_is_told_to_servers_in_the_room(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    path = f"/timestamp_to_event/{segment(room)}"
    first, last = await alice.say(room, "one"), await alice.say(room, "two")
    for known in (path, "/timestamp_to_event/!nothing:b.org"):
        answer = await them.ask("GET", known, ts=1, dir="f")
        assert answer.status == (403 if known == path else 404), answer
    await them.is_in(room)
    found = await them.good("GET", path, ts=2**60, dir="b")
    assert found == {"event_id": last, "origin_server_ts": (await alice.event(room, last))["origin_server_ts"]}
    sent = (await alice.event(room, first))["origin_server_ts"]
    found = await them.good("GET", path, ts=sent, dir="f")
    assert found["origin_server_ts"] == sent
    assert (await them.ask("GET", path, ts=2**60, dir="f")).body["errcode"] == "M_NOT_FOUND"
    assert (await them.ask("GET", path, ts=2**60, dir="x")).body["errcode"] == "M_INVALID_PARAM"
    await alice.set_state(room, "m.room.server_acl", {"allow": ["*"], "allow_ip_literals": False})
    assert (await them.ask("GET", path, ts=1, dir="f")).body["errcode"] == "M_FORBIDDEN"


def _lack_history(tx: Transaction, room_id: str) -> None:
    """What stood before the room's newest event is known to others only."""
    name = rooms.find(tx, RoomId(room_id))
    assert name is not None
    gaps.put(tx, Gap(name.nid, rooms.get(tx, [name.nid])[name.nid].latest, 0, [EventId("$earlier")]))


async def test_others_are_asked_where_history_is_missing(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    said = await alice.say(room, "hello")
    path = f"/timestamp_to_event/{room}"
    them.answers(path, {"event_id": "$theirs", "origin_server_ts": 5})
    assert await alice.at_time(room, 4, "f") != "$theirs"
    await them.is_in(room)
    assert await alice.at_time(room, 3, "f") != "$theirs"
    await home.server.server.database.write(_lack_history, room)
    assert await alice.at_time(room, 2, "f") == "$theirs"
    assert await alice.at_time(room, 2**53, "b") == said
    assert them.asked(path) == [{"ts": ["2"], "dir": ["f"]}, {"ts": [str(2**53)], "dir": ["b"]}]


@pytest.mark.parametrize(
    "answer",
    [
        {"event_id": 5, "origin_server_ts": 5},
        {"event_id": "$theirs", "origin_server_ts": True},
        {"event_id": "$theirs", "origin_server_ts": 2**60},
        {"event_id": "$theirs", "origin_server_ts": 1},
        {},
        [],
        Answer(404, {"errcode": "M_NOT_FOUND"}),
        Answer(403, {"errcode": "M_FORBIDDEN"}),
    ],
)
async def test_what_they_say_wrongly_does_not_count(home: Home, them: OtherServer, answer: Any) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await them.is_in(room)
    await home.server.server.database.write(_lack_history, room)
    them.answers(f"/timestamp_to_event/{room}", answer)
    assert await alice.at_time(room, 2, "f") != "$theirs"
    with refused(404, "M_NOT_FOUND"):
        await alice.at_time(room, 2**53, "f")
