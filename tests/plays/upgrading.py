"""A room moves."""

from tests.plays.stage import Stage, agree
from tests.support.people import segment


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


async def what_bobs_server_had_of_the_room_moves_with_him(stage: Stage) -> None:
    """His tags of it, an alias there, and its place in the directory there."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    alias = f"#moved-{stage.play}:{bob.at}"
    await bob.request("PUT", f"/v3/directory/room/{segment(alias)}", {"room_id": room})
    await bob.request("PUT", f"/v3/user/{segment(bob.id)}/rooms/{segment(room)}/tags/u.home", {})
    new = await alice.upgrade(room, stage.version)
    await bob.sees(lambda: bob.room(room).content("m.room.tombstone").get("replacement_room") == new, "the tombstone")
    await bob.join(new, via=[alice.at])
    tags = await bob.request("GET", f"/v3/user/{segment(bob.id)}/rooms/{segment(new)}/tags")
    assert tags == {"tags": {"u.home": {}}}
    found = await bob.request("GET", f"/v3/directory/room/{segment(alias)}")
    assert found["room_id"] == new
