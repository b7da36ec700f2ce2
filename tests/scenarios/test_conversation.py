"""A conversation from the first room to the last goodbye."""

from tests.support.homeserver import Home


async def test_two_people_talk(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(name="Tea", preset="private_chat")
    await alice.sync()
    await bob.sync()
    await alice.invite(room, bob)
    invite = (await bob.sync()).invite(room)
    assert invite is not None
    assert {"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"} <= {e["type"] for e in invite}
    await bob.join(room)
    first = (await bob.sync()).joined(room)
    assert first.timeline[-1]["content"]["membership"] == "join"
    await alice.sync()
    async with alice.waiting() as hears:
        await bob.say(room, "Good morning")
    assert hears.result().joined(room).texts == ["Good morning"]
    await alice.say(room, "And to you")
    assert (await bob.sync()).joined(room).texts == ["Good morning", "And to you"]
    await bob.leave(room, reason="time to go")
    goodbye = (await bob.sync()).left(room)
    assert goodbye.timeline[-1]["content"] == {"membership": "leave", "reason": "time to go"}
    assert not (await bob.sync()).rooms
