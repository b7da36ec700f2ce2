"""Who types, who has read what."""

from tests.plays.stage import Stage


async def they_see_each_other_type(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    for person, other in ((alice, bob), (bob, alice)):
        await person.type(room)
        await other.sees(lambda: other.room(room).typing == [person.id], "typing")  # noqa: B023
        await person.type(room, None)
        await other.sees(lambda: other.room(room).typing == [], "no typing")  # noqa: B023


async def they_see_what_the_other_has_read(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    for person, other in ((alice, bob), (bob, alice)):
        said = await person.say(room, "read this")
        await other.hears(room, "read this")
        await other.sees(lambda: said in [e["event_id"] for e in other.room(room).timeline], "it")  # noqa: B023
        await other.receipt(room, said)
        await person.sees(lambda: (said, other.id) in person.room(room).receipts, "the receipt")  # noqa: B023


async def trap_33_a_private_receipt_stays_at_home(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    first, second = await alice.say(room, "one"), await alice.say(room, "two")
    await bob.hears(room, "one", "two")
    await bob.receipt(room, first, "m.read.private")
    await bob.say(room, "afterwards")
    await alice.hears(room, "afterwards")
    await bob.receipt(room, second)
    await alice.sees(lambda: (second, bob.id) in alice.room(room).receipts, "the public one")
    assert (first, bob.id) not in alice.room(room).receipts
