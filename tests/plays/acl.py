"""Servers that are kept out of a room."""

from tests.plays.person import turned_away
from tests.plays.stage import Stage


async def trap_16_a_server_that_is_shut_out_is_not_heard(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    elsewhere = await stage.shared_room(alice, bob)
    acl = {"allow": ["*"], "deny": [bob.at.split(":")[0]], "allow_ip_literals": True}
    await alice.set_state(room, "m.room.server_acl", acl)
    await bob.sees_state(room, "m.room.server_acl", acl)
    await bob.say(room, "can you hear me")
    await bob.say(elsewhere, "or here")
    await alice.hears(elsewhere, "or here")
    await alice.say(room, "silence")
    await alice.hears(room, "silence")
    assert "can you hear me" not in alice.room(room).texts


async def trap_16_a_server_that_is_shut_out_cannot_join(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    acl = {"allow": ["*"], "deny": [bob.at.split(":")[0]], "allow_ip_literals": True}
    shut = {"type": "m.room.server_acl", "state_key": "", "content": acl}
    room = await stage.public_room(alice, initial_state=[shut])
    with turned_away():
        await bob.join(room, via=[alice.at])
    await alice.set_state(room, "m.room.server_acl", {**acl, "deny": []})
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
