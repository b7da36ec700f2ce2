"""A room whose graph has many ends is brought together by this server, and nobody is shown how."""

from tests.plays.stage import Stage
from tests.support.peer.peer import Peer

GLUE = "org.matrix.dummy_event"


async def test_trap_18_many_ends_are_joined(stage: Stage, zoe: Peer) -> None:
    alice = await stage.person("alice")
    room = zoe.host("11", "zoe")
    await alice.join(room.room_id, via=[zoe.name])
    start = list(room.heads)
    forks = [room.say(zoe.user("zoe"), f"fork {number}", prev=start) for number in range(14)]
    await zoe.send(alice.at, *forks)
    await alice.hears(room.room_id, *(f"fork {number}" for number in range(14)))
    glue = await zoe.receives_type(GLUE)
    assert len(glue["prev_events"]) == 10
    assert glue["sender"] == alice.id
    await alice.say(room.room_id, "together")
    await alice.hears(room.room_id, "together")
    assert GLUE not in {event["type"] for event in alice.room(room.room_id).timeline}
    assert GLUE not in {event["type"] for event in await alice.history(room.room_id)}
