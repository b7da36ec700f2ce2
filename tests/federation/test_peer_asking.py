"""A peer asks about a room that it has forked, and is told states, auth chains and history as it has them itself."""

from collections.abc import Mapping, Sequence

import pytest

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.peer.peer import V1, Peer
from tests.support.peer.room import Json, PeerRoom
from tests.support.people import segment


@pytest.fixture(params=["a", "b"])
async def alice(request: pytest.FixtureRequest, stage: Stage) -> Person:
    """Somebody on each engine."""
    return await stage.person(f"{request.param}lice")


async def forked(alice: Person, zoe: Peer, version: str) -> tuple[PeerRoom, dict[str, Event]]:
    """A room in which Zoe bans Zed, who goes on from before that, while somebody renames the room on either side."""
    room = zoe.host(version, "zoe")
    zed, her = zoe.user("zed"), zoe.user("zoe")
    await alice.join(room.room_id, via=[zoe.name])
    told = {"joined": room.make(zed, "m.room.member", {"membership": "join"}, zed)}
    told["left"] = room.make(her, "m.room.name", {"name": "left"}, "", prev=[told["joined"]])
    told["ban"] = room.make(her, "m.room.member", {"membership": "ban"}, zed, prev=[told["left"]])
    told["right"] = room.make(her, "m.room.name", {"name": "right"}, "", prev=[told["joined"]])
    told["late"] = room.say(zed, "late", prev=[told["right"]])
    told["end"] = room.say(her, "end", prev=[told["ban"], told["late"]])
    for event in told.values():
        await zoe.send(alice.at, event)
    await alice.hears(room.room_id, "end")
    assert "late" not in alice.room(room.room_id).texts
    return room, told


def ids(room: PeerRoom, pdus: Sequence[Json]) -> list[EventId]:
    return [room.read(pdu).event_id for pdu in pdus]


@pytest.mark.parametrize("version", ["1", "10", "12"])
async def test_a_forked_room_is_told_as_its_other_server_has_it(alice: Person, zoe: Peer, version: str) -> None:
    room, told = await forked(alice, zoe, version)
    there = segment(room.room_id)
    for event in told.values():
        state = room.before(event.event_id)
        at = [("event_id", event.event_id)]
        named = await zoe.good(alice.at, "GET", f"{V1}/state_ids/{there}", query=at)
        assert set(named["pdu_ids"]) == set(state.values())
        assert set(named["auth_chain_ids"]) == whole_chain(room, state, room.auth_chain(state.values()))
        whole = await zoe.good(alice.at, "GET", f"{V1}/state/{there}", query=at)
        assert (ids(room, whole["pdus"]), ids(room, whole["auth_chain"])) == tuple(named.values())[::-1]
        chain = await zoe.good(alice.at, "GET", f"{V1}/event_auth/{there}/{segment(event.event_id)}")
        assert set(ids(room, chain["auth_chain"])) == whole_chain(room, state, room.auth_chain([event.event_id]))
        alone = await zoe.good(alice.at, "GET", f"{V1}/event/{segment(event.event_id)}")
        assert alone["pdus"] == [event.pdu]


def whole_chain(room: PeerRoom, state: Mapping[tuple[str, str], EventId], chain: Sequence[Event]) -> set[EventId]:
    """An auth chain with the create event, which not all room versions list."""
    return {*(event.event_id for event in chain), state["m.room.create", ""]}


async def test_trap_30_what_was_softly_refused_is_sent_to_who_goes_on_from_it(alice: Person, zoe: Peer) -> None:
    room, told = await forked(alice, zoe, "12")
    there = segment(room.room_id)
    body = {"latest_events": [told["end"].event_id], "earliest_events": [told["joined"].event_id]}
    missing = await zoe.good(alice.at, "POST", f"{V1}/get_missing_events/{there}", body)
    names = {event.event_id: name for name, event in told.items()}
    assert [names[each] for each in ids(room, missing["events"])] == ["left", "ban", "right", "late"]
    query = [("v", told["ban"].event_id), ("limit", "3")]
    backfilled = await zoe.good(alice.at, "GET", f"{V1}/backfill/{there}", query=query)
    assert [names.get(each) for each in ids(room, backfilled["pdus"])] == ["ban", "left", "joined"]
    query = [("v", told["end"].event_id), ("limit", "100")]
    backfilled = await zoe.good(alice.at, "GET", f"{V1}/backfill/{there}", query=query)
    assert {"late", "right", "ban"} <= {names.get(each) for each in ids(room, backfilled["pdus"])}
