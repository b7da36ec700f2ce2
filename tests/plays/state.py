"""The state of a shared room, changed from either side."""

import asyncio

from tests.plays.person import turned_away
from tests.plays.stage import Stage, agree


async def what_alice_changes_bob_sees(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await alice.set_state(room, "m.room.name", {"name": "The library"})
    await alice.set_state(room, "org.example.shelf", {"books": 3}, "north")
    await bob.sees_state(room, "m.room.name", {"name": "The library"})
    await bob.sees_state(room, "org.example.shelf", {"books": 3}, "north")
    await agree(room, alice, bob)


async def bob_gets_power_and_uses_it(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    with turned_away():
        await bob.set_state(room, "m.room.topic", {"topic": "mine"})
    levels = await alice.state(room, "m.room.power_levels")
    levels = {**levels, "users": {**levels.get("users", {}), bob.id: 50}}
    await alice.set_state(room, "m.room.power_levels", levels)
    await bob.sees_state(room, "m.room.power_levels", levels)
    await bob.set_state(room, "m.room.topic", {"topic": "ours"})
    await alice.sees_state(room, "m.room.topic", {"topic": "ours"})
    await agree(room, alice, bob)


async def both_change_the_same_at_once(stage: Stage) -> None:
    """A conflict: whoever wins, it is the same on both servers."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob, power_level_content_override={"events": {"m.room.topic": 0}})
    for number in range(4):
        topics = [{"topic": f"{person.id} {number}"} for person in (alice, bob)]
        await asyncio.gather(
            *(p.set_state(room, "m.room.topic", topic) for p, topic in zip((alice, bob), topics, strict=True))
        )
        await asyncio.gather(alice.say(room, f"alice {number}"), bob.say(room, f"bob {number}"))
    said = [f"{name} {number}" for name in ("alice", "bob") for number in range(4)]
    for person in (alice, bob):
        await person.hears(room, *said)
    state = await agree(room, alice, bob)
    assert state["m.room.topic", ""]["content"] in topics
