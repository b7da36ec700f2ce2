"""Rooms for the members of other rooms."""

from tests.plays.catalogue import needs
from tests.plays.person import Person, turned_away
from tests.plays.stage import Stage, agree


async def _room(stage: Stage, founder: Person, club: str, rule: str = "restricted") -> str:
    allow = [{"type": "m.room_membership", "room_id": club}]
    rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": rule, "allow": allow}}
    return await stage.private_room(founder, initial_state=[rules])


@needs("restricted")
async def trap_26_who_is_in_the_club_comes_in(stage: Stage) -> None:
    alice, bob, ben = await stage.people("alice", "bob", "ben")
    club = await stage.shared_room(alice, bob)
    room = await _room(stage, alice, club)
    with turned_away():
        await ben.join(room, via=[alice.at])
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
    assert alice.room(room).content("m.room.member", bob.id)["join_authorised_via_users_server"] == alice.id
    await bob.say(room, "in")
    await alice.hears(room, "in")
    await ben.join(club, via=[alice.at])
    await alice.sees_member(club, ben, "join")
    await ben.join(room, via=[alice.at])
    await alice.sees_member(room, ben, "join")
    await agree(room, alice, bob)


@needs("restricted")
async def trap_26_an_invitation_opens_too(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    club = await stage.public_room(alice)
    room = await _room(stage, alice, club)
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    await bob.join(room)
    await alice.sees_member(room, bob, "join")
    assert "join_authorised_via_users_server" not in alice.room(room).content("m.room.member", bob.id)


@needs("knock_restricted")
async def who_is_not_in_the_club_may_knock(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    club = await stage.public_room(alice)
    room = await _room(stage, alice, club, "knock_restricted")
    with turned_away():
        await bob.join(room, via=[alice.at])
    await bob.knock(room, via=[alice.at])
    await alice.sees_member(room, bob, "knock")
    await bob.join(club, via=[alice.at])
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
