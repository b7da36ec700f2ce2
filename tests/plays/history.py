"""What was said before one came: backfill, and who may see it."""

from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.people import texts


async def _told(person: Person, room: str) -> list[str]:
    """All that somebody can page back to, oldest first."""
    return texts(list(reversed(await person.history(room, limit=10))))


async def bob_pages_back_to_the_beginning(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    said = [f"number {number}" for number in range(40)]
    for text in said:
        await alice.say(room, text)
    await bob.join(room, via=[alice.at])
    await bob.sees_section(room, "join")
    assert await _told(bob, room) == said


async def trap_30_what_only_members_may_see_bob_does_not(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    hidden = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    room = await stage.public_room(alice, initial_state=[hidden])
    await alice.say(room, "before")
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
    await alice.say(room, "after")
    await bob.hears(room, "after")
    assert await _told(bob, room) == ["after"]
    assert await _told(alice, room) == ["before", "after"]


async def trap_30_what_was_taken_back_stays_so(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    slip = await alice.say(room, "a slip")
    await alice.redact(room, slip)
    await alice.say(room, "better")
    await bob.join(room, via=[alice.at])
    await bob.sees_section(room, "join")
    assert await _told(bob, room) == ["(redacted)", "better"]


async def the_hole_while_bob_was_out_is_filled(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await alice.say(room, "one")
    await bob.hears(room, "one")
    await bob.leave(room)
    await alice.sees_member(room, bob, "leave")
    for number in range(15):
        await alice.say(room, f"gone {number}")
    await bob.join(room, via=[alice.at])
    await alice.sees_member(room, bob, "join")
    assert await _told(bob, room) == ["one", *(f"gone {number}" for number in range(15))]
