"""Going, and being made to go."""

from tests.plays.person import turned_away
from tests.plays.stage import Stage, agree


async def bob_is_kicked_and_comes_back(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await alice.moderate(room, "kick", bob, reason="noise")
    await bob.sees_section(room, "leave")
    assert bob.room(room).content("m.room.member", bob.id)["reason"] == "noise"
    with turned_away():
        await bob.say(room, "but")
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
    await agree(room, alice, bob)


async def a_ban_holds_until_it_is_lifted(stage: Stage) -> None:
    alice, bob, ben = await stage.people("alice", "bob", "ben")
    room = await stage.shared_room(alice, bob, ben)
    await alice.moderate(room, "ban", bob)
    await bob.sees_section(room, "leave")
    await ben.sees_member(room, bob, "ban")
    with turned_away():
        await bob.join(room, via=[alice.at])
    await alice.moderate(room, "unban", bob)
    await ben.sees_member(room, bob, "leave")
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
    await agree(room, alice, ben)


async def bob_kicks_too_when_he_may(stage: Stage) -> None:
    """A member of the second server puts out one of the first."""
    alice, amy, bob = await stage.people("alice", "amy", "bob")
    room = await stage.shared_room(alice, bob)
    levels = await alice.state(room, "m.room.power_levels")
    await alice.set_state(room, "m.room.power_levels", {**levels, "users": {**levels.get("users", {}), bob.id: 50}})
    await amy.join(room)
    await bob.sees_member(room, amy, "join")
    await bob.sees(lambda: bob.id in bob.room(room).content("m.room.power_levels").get("users", {}), "his power")
    await bob.moderate(room, "kick", amy)
    await amy.sees_section(room, "leave")
    await agree(room, alice, bob)


async def the_founder_goes_and_the_others_stay(stage: Stage) -> None:
    alice, amy, bob, ben = await stage.people("alice", "amy", "bob", "ben")
    room = await stage.shared_room(alice, amy, bob, ben)
    await alice.leave(room)
    await bob.sees_member(room, alice, "leave")
    await amy.leave(room)
    await bob.sees_member(room, amy, "leave")
    await bob.say(room, "just us")
    await ben.hears(room, "just us")
    await amy.join(room, via=[bob.at])
    await bob.sees_member(room, amy, "join")
    await agree(room, amy, bob)
