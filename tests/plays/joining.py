"""Coming into a room of another server."""

import asyncio

from tests.plays.person import turned_away
from tests.plays.stage import Stage, agree
from tests.support.people import refused


async def bob_joins_talks_and_leaves(stage: Stage) -> None:
    """The short play, for every room version."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await alice.say(room, "welcome")
    await bob.hears(room, "welcome")
    await bob.say(room, "thank you")
    await alice.hears(room, "thank you")
    await agree(room, alice, bob)
    await bob.leave(room)
    await alice.sees_member(room, bob, "leave")


async def what_bob_finds_is_what_alice_made(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice, name="The garden", topic="Roses")
    assert await bob.join(room, via=[alice.at]) == room
    await bob.sees_state(room, "m.room.name", {"name": "The garden"})
    assert bob.room(room).membership(alice) == "join"
    await alice.sees_member(room, bob, "join")
    state = await agree(room, alice, bob)
    assert state["m.room.topic", ""]["content"]["topic"] == "Roses"


async def the_first_event_that_bob_sees_is_his_join(stage: Stage) -> None:
    """What lies before it is known to the other server only, but the join itself is no part of that hole."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    await bob.join(room, via=[alice.at])
    await bob.sync()
    first = bob.room(room).timeline[0]
    assert (first["type"], first["state_key"]) == ("m.room.member", bob.id)


async def bob_joins_by_alias(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice, room_alias_name=f"garden-{stage.play}")
    assert await bob.join(f"#garden-{stage.play}:{alice.at}") == room
    await alice.sees_member(room, bob, "join")
    with refused(404, "M_NOT_FOUND"):
        await bob.join(f"#nowhere-{stage.play}:{alice.at}")


async def ben_follows_bob(stage: Stage) -> None:
    """The second of a server, and then the second of the first."""
    alice, amy, bob, ben = await stage.people("alice", "amy", "bob", "ben")
    room = await stage.shared_room(alice, bob)
    await ben.join(room)
    await alice.sees_member(room, ben, "join")
    await amy.join(room)
    await ben.sees_member(room, amy, "join")
    await agree(room, alice, ben)


async def bob_comes_back(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await bob.leave(room)
    await alice.sees_member(room, bob, "leave")
    await alice.set_state(room, "m.room.topic", {"topic": "while bob was out"})
    await alice.say(room, "he is gone")
    await bob.join(room, via=[alice.at])
    await bob.sees_state(room, "m.room.topic", {"topic": "while bob was out"})
    await bob.say(room, "back again")
    await alice.hears(room, "back again")
    await agree(room, alice, bob)


async def a_closed_door_stays_closed(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice)
    with turned_away():
        await bob.join(room, via=[alice.at])
    await bob.sync()
    assert bob.room(room).section == ""
    assert bob.id not in await alice.members(room)


async def the_next_server_is_tried(stage: Stage) -> None:
    """The first of `via` does not exist, the second does not know the room."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    await bob.join(room, via=["127.0.0.1:1", bob.at, alice.at])
    await alice.sees_member(room, bob, "join")


async def who_is_banned_cannot_come_in(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    await alice.set_member(room, bob, "ban")
    with turned_away():
        await bob.join(room, via=[alice.at])


async def several_come_in_at_once(stage: Stage) -> None:
    """Each of them asks the other server; whoever comes second finds the room here, and both are in it."""
    alice, *others = await stage.people("alice", "bob", "ben", "bea")
    room = await stage.public_room(alice)
    await asyncio.gather(*(other.join(room, via=[alice.at]) for other in others))
    for other in others:
        await alice.sees_member(room, other, "join")
    await agree(room, alice, *others)
    for person in (alice, *others):
        await person.say(room, f"I am {person.id}")
    for person in (alice, *others):
        await person.hears(room, *(f"I am {each.id}" for each in (alice, *others)))
