"""Invitations to and from another server."""

from tests.plays.stage import Stage, agree


async def bob_is_invited_and_comes(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice, name="The study")
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    shown = {event["type"]: event for event in bob.room(room).shown}
    assert shown["m.room.name"]["content"] == {"name": "The study"}
    assert {"m.room.create", "m.room.join_rules", "m.room.member"} <= set(shown)
    assert all(
        {"type", "state_key", "sender", "content"} >= set(event) - {"event_id"} for event in bob.room(room).shown
    )
    await alice.sees_member(room, bob, "invite")
    await bob.join(room)
    await alice.sees_member(room, bob, "join")
    await alice.say(room, "welcome")
    await bob.hears(room, "welcome")
    await agree(room, alice, bob)


async def bob_turns_it_down(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice)
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await bob.leave(room)
    await bob.sees_section(room, "leave")
    await alice.sees_member(room, bob, "leave")


async def alice_thinks_better_of_it(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice)
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await alice.moderate(room, "kick", bob)
    await bob.sees_section(room, "leave")
    await alice.sees_member(room, bob, "leave")


async def who_was_invited_invites_others(stage: Stage) -> None:
    """From the second server to one more there, and back to the first."""
    alice, amy, bob, ben = await stage.people("alice", "amy", "bob", "ben")
    room = await stage.private_room(alice)
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await bob.join(room)
    for guest in (ben, amy):
        await bob.invite(room, guest)
        await guest.sees_section(room, "invite")
        await alice.sees_member(room, guest, "invite")
        await guest.join(room)
        await alice.sees_member(room, guest, "join")
    await agree(room, alice, bob)


async def bob_is_invited_again_after_turning_it_down(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice)
    for _ in range(2):
        await alice.invite(room, bob)
        await bob.sees_section(room, "invite")
        await bob.leave(room)
        await alice.sees_member(room, bob, "leave")
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await bob.join(room)
    await alice.sees_member(room, bob, "join")


async def a_direct_room_is_marked_so(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice, invite=[bob.id], is_direct=True)
    await bob.sees_section(room, "invite")
    [member] = [event for event in bob.room(room).shown if event["state_key"] == bob.id]
    assert member["content"]["is_direct"] is True
