"""Three servers in a room."""

import asyncio

from tests.plays.stage import Stage, agree


async def everybody_hears_everybody(stage: Stage) -> None:
    people = await stage.people("alice", "bob", "carol")
    room = await stage.shared_room(*people)
    await asyncio.gather(*(person.say(room, f"{person.id} says") for person in people))
    said = [f"{person.id} says" for person in people]
    for person in people:
        await person.hears(room, *said)
        assert sorted(person.room(room).texts) == sorted(said)
    await agree(room, *people)


async def carol_comes_in_by_bobs_server(stage: Stage) -> None:
    """The server that made the room is gone; when it is back it knows her."""
    alice, bob, carol = await stage.people("alice", "bob", "carol")
    room = await stage.shared_room(alice, bob)
    await stage.kill("a")
    await carol.join(room, via=[alice.at, bob.at])
    await carol.say(room, "good morning")
    await bob.hears(room, "good morning")
    await stage.start("a")
    await alice.say(room, "I am back")
    await alice.hears(room, "good morning")
    await alice.say(room, "and to you")
    await carol.hears(room, "and to you")
    await agree(room, alice, bob, carol)


async def one_is_cut_off_and_comes_back(stage: Stage) -> None:
    alice, bob, carol = await stage.people("alice", "bob", "carol")
    room = await stage.shared_room(alice, bob, carol, power_level_content_override={"events": {"m.room.topic": 0}})
    people = (alice, bob, carol)
    stage.nodes["c"].line.cut()
    await stage.kill("c")
    said = []
    for person in (alice, bob):
        said.append(f"{person.id} meanwhile")
        await person.say(room, said[-1])
        await person.set_state(room, "m.room.topic", {"topic": person.id})
    stage.nodes["c"].line.heal()
    await stage.start("c")
    for person in people:
        said.append(f"{person.id} afterwards")
        await person.say(room, said[-1])
    for person in people:
        await person.hears(room, *said[-3:])
    await agree(room, *people)


async def carol_is_invited_by_bob_into_alices_room(stage: Stage) -> None:
    alice, bob, carol = await stage.people("alice", "bob", "carol")
    room = await stage.private_room(alice)
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await bob.join(room)
    await bob.invite(room, carol)
    await carol.sees_section(room, "invite")
    await carol.join(room)
    await alice.sees_member(room, carol, "join")
    await carol.say(room, "hello")
    await alice.hears(room, "hello")
    await bob.hears(room, "hello")
    await agree(room, alice, bob, carol)


async def a_restricted_room_lets_in_by_who_may_invite(stage: Stage) -> None:
    """Bob's server has nobody who may invite, so Carol is sent on to Alice's."""
    alice, bob, carol = await stage.people("alice", "bob", "carol")
    club = await stage.shared_room(alice, bob, carol)
    allow = [{"type": "m.room_membership", "room_id": club}]
    rules = {
        "type": "m.room.join_rules",
        "state_key": "",
        "content": {"join_rule": "restricted", "allow": allow},
    }
    room = await stage.public_room(alice, initial_state=[rules], power_level_content_override={"invite": 50})
    await bob.join(room, via=[alice.at])
    await carol.join(room, via=[bob.at, alice.at])
    await alice.sees_member(room, carol, "join")
    await bob.sees_member(room, carol, "join")
    await agree(room, alice, bob, carol)
