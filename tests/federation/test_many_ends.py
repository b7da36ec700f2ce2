"""A room whose graph has many ends is brought together by this server, and nobody is shown how."""

import asyncio

from tests.plays.stage import Stage
from tests.support.peer.peer import Peer


async def test_trap_18_many_ends_are_joined(stage: Stage, zoe: Peer) -> None:
    alice = await stage.person("alice")
    room = zoe.host("11", "zoe")
    await alice.join(room.room_id, via=[zoe.name])
    start = list(room.heads)
    forks = [room.say(zoe.user("zoe"), f"fork {number}", prev=start) for number in range(14)]
    await zoe.send(alice.at, *forks)
    await alice.hears(room.room_id, *(f"fork {number}" for number in range(14)))
    async with asyncio.timeout(20):
        while not (glue := [pdu for pdu in zoe.pdus.values() if pdu["type"] == "org.matrix.dummy_event"]):
            await asyncio.sleep(0.05)
    assert len(glue[0]["prev_events"]) == 10
    assert glue[0]["sender"] == alice.id
    await alice.say(room.room_id, "together")
    await alice.hears(room.room_id, "together")
    assert "org.matrix.dummy_event" not in {event["type"] for event in alice.room(room.room_id).timeline}
    assert "org.matrix.dummy_event" not in {event["type"] for event in await alice.history(room.room_id)}
