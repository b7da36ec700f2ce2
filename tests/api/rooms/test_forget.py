"""POST forget: a room that was left is gone for its user, until they have to do with it again."""

from tests.support.homeserver import Home, User, refused, texts

LEFT_TOO = {"room": {"include_leave": True}}


async def left_room(home: Home) -> tuple[User, User, str]:
    """A public room of Alice, in which Bob was and heard something."""
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await alice.say(room, "hello")
    await bob.sync()
    await bob.leave(room)
    return alice, bob, room


async def test_a_forgotten_room_is_hidden(either_home: Home) -> None:
    _, bob, room = await left_room(either_home)
    said = (await bob.messages(room))["chunk"][-1]["event_id"]
    assert (await bob.sync_anew(filter=LEFT_TOO)).sections(room) == ["leave"]
    await bob.forget(room)
    await bob.forget(room)
    assert (await bob.sync_anew(filter=LEFT_TOO)).sections(room) == []
    for attempt in (
        bob.messages(room),
        bob.whole_state(room),
        bob.members(room),
        bob.context(room, said),
        bob.at_time(room, 0, "f"),
        bob.state(room, "m.room.create"),
    ):
        with refused(403, "M_FORBIDDEN"):
            await attempt
    with refused(404, "M_NOT_FOUND"):
        await bob.event(room, said)


async def test_a_device_that_knows_the_room_still_hears_of_its_end(home: Home) -> None:
    alice, bob, room = await left_room(home)
    await bob.forget(room)
    update = await bob.sync()
    assert update.sections(room) == ["leave"]
    assert update.left(room).types == ["m.room.member"]
    await alice.say(room, "behind his back")
    assert (await bob.sync()).sections(room) == []


async def test_a_return_undoes_it(either_home: Home) -> None:
    _, bob, room = await left_room(either_home)
    await bob.forget(room)
    await bob.join(room)
    assert "hello" in texts(await bob.history(room))
    assert (await bob.sync()).sections(room) == ["join"]
    await bob.leave(room)
    assert (await bob.sync_anew(filter=LEFT_TOO)).sections(room) == ["leave"]


async def test_an_invite_comes_through(home: Home) -> None:
    alice, bob, room = await left_room(home)
    await bob.forget(room)
    await alice.invite(room, bob)
    assert (await bob.sync_anew()).sections(room) == ["invite"]


async def test_kicked_banned_and_uninvited_can_forget(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room()
    await alice.invite(room, bob)
    with refused(400, "M_UNKNOWN"):
        await bob.forget(room)
    await bob.leave(room)
    await bob.forget(room)
    await alice.moderate(room, "ban", bob)
    assert (await bob.sync_anew(filter=LEFT_TOO)).sections(room) == ["leave"]
    await bob.forget(room)
    assert (await bob.sync_anew(filter=LEFT_TOO)).sections(room) == []


async def test_only_what_was_left_can_be_forgotten(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    with refused(400, "M_UNKNOWN"):
        await alice.forget(room)
    with refused(400, "M_UNKNOWN"):
        await bob.forget(room)
    with refused(400, "M_UNKNOWN"):
        await bob.forget("!unknown:example.org")
    assert (await alice.sync()).sections(room) == ["join"]


async def test_everybody_may_read_what_is_open_to_the_world(home: Home) -> None:
    alice, bob, room = await left_room(home)
    await alice.set_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    await bob.forget(room)
    assert "hello" not in texts(await bob.history(room))
    await alice.say(room, "to the world")
    assert texts(await bob.history(room)) == ["to the world"]


async def test_it_lasts(either_home: Home) -> None:
    _, bob, room = await left_room(either_home)
    await bob.forget(room)
    await either_home.restart(bob)
    assert (await bob.sync_anew(filter=LEFT_TOO)).sections(room) == []
