"""Events by time, for other servers."""

from tests.support.homeserver import Home
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
