"""A room moves."""

from tests.plays.stage import Stage, agree


async def bob_follows(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob, name="The garden")
    new = await alice.upgrade(room, stage.version)
    await bob.sees(lambda: bob.room(room).content("m.room.tombstone").get("replacement_room") == new, "the tombstone")
    await bob.join(new, via=[alice.at])
    await bob.sees_state(new, "m.room.name", {"name": "The garden"})
    assert bob.room(new).content("m.room.create")["predecessor"]["room_id"] == room
    await bob.say(new, "moved")
    await alice.hears(new, "moved")
    await agree(new, alice, bob)
