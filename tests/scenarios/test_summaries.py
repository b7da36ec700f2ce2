"""Room summaries: told where they changed, so that a client can always name the room."""

from tests.support.homeserver import Home, Json


async def test_heroes_are_others_and_those_who_left_where_nobody_else_is(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await alice.invite(room, carol)
    summary = (await alice.sync()).joined(room).summary
    assert summary == {"m.heroes": [bob.id, carol.id], "m.joined_member_count": 2, "m.invited_member_count": 1}
    await bob.leave(room)
    await carol.leave(room)
    summary = (await alice.sync()).joined(room).summary
    assert summary == {"m.heroes": [bob.id, carol.id], "m.joined_member_count": 1, "m.invited_member_count": 0}
    await alice.say(room, "hello?")
    assert (await alice.sync()).joined(room).summary == {}


async def test_a_room_that_gets_or_loses_its_name_is_summarised_anew(either_home: Home) -> None:
    """The heroes stand in the place of the name: whoever loses the one needs the other."""
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    assert (await alice.sync()).joined(room).summary["m.heroes"] == [bob.id]
    name = await alice.set_state(room, "m.room.name", {"name": "Tea"})
    assert "m.heroes" not in (await alice.sync()).joined(room).summary
    await bob.say(room, "hello")
    assert (await alice.sync()).joined(room).summary == {}
    since = alice.since
    await alice.redact(room, name)
    assert (await alice.sync()).joined(room).summary["m.heroes"] == [bob.id]
    await bob.say(room, "hello?")
    one: Json = {"room": {"timeline": {"limit": 1}}}
    assert (await alice.sync(since=since, filter=one)).joined(room).summary["m.heroes"] == [bob.id]
    await alice.set_state(room, "m.room.canonical_alias", {"alias": ""})
    assert (await alice.sync()).joined(room).summary["m.heroes"] == [bob.id]
