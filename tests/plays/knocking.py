"""Asking to be let in."""

from tests.plays.catalogue import needs, unless
from tests.plays.person import Person, turned_away
from tests.plays.stage import Stage, agree


async def _room(stage: Stage, founder: Person) -> str:
    rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    return await stage.private_room(founder, name="The attic", initial_state=[rule])


@needs("knock")
async def bob_knocks_and_is_let_in(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await _room(stage, alice)
    with turned_away():
        await bob.join(room, via=[alice.at])
    assert await bob.knock(room, via=[alice.at], reason="please") == room
    await bob.sees_section(room, "knock")
    assert {"name": "The attic"} in [event["content"] for event in bob.room(room).shown]
    await alice.sees_member(room, bob, "knock")
    assert alice.room(room).content("m.room.member", bob.id)["reason"] == "please"
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await bob.join(room)
    await alice.sees_member(room, bob, "join")
    await agree(room, alice, bob)


@unless(b="synapse")  # it forgets the knock at home, and tells nobody
@needs("knock")
async def bob_takes_his_knock_back(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await _room(stage, alice)
    await bob.knock(room, via=[alice.at])
    await alice.sees_member(room, bob, "knock")
    await bob.sees_section(room, "knock")
    await bob.leave(room)
    await alice.sees_member(room, bob, "leave")
    await bob.sees_section(room, "leave")


@unless(a="synapse", b="synapse")  # it tells nobody outside of the room, and believes no leave where it has nobody
@needs("knock")
async def nobody_opens(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await _room(stage, alice)
    await bob.knock(room, via=[alice.at])
    await alice.sees_member(room, bob, "knock")
    await alice.moderate(room, "kick", bob)
    await bob.sees_section(room, "leave")


@needs("knock")
async def at_a_public_room_nobody_knocks(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    with turned_away():
        await bob.knock(room, via=[alice.at])
