"""Looking for rooms of another server: its public list, its aliases, its spaces."""

from tests.plays.stage import Stage
from tests.support.people import segment


async def bob_reads_the_list_of_alices_server(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    name = f"The garden {stage.play}"
    room = await stage.public_room(alice, name=name, visibility="public")
    filtered = {"filter": {"generic_search_term": name}, "limit": 10}
    found = await bob.request("POST", "/v3/publicRooms", filtered, server=alice.at)
    assert [(each["room_id"], each["name"]) for each in found["chunk"]] == [(room, name)]
    assert found["chunk"][0]["num_joined_members"] == 1
    assert "chunk" in await bob.request("GET", "/v3/publicRooms", server=alice.at, limit=10)


async def bob_looks_an_alias_up(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    alias = f"#garden-{stage.play}:{alice.at}"
    room = await stage.public_room(alice, room_alias_name=f"garden-{stage.play}")
    found = await bob.request("GET", f"/v3/directory/room/{segment(alias)}")
    assert found["room_id"] == room
    assert alice.at in found["servers"]


async def bob_walks_through_a_space(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    space = await stage.shared_room(alice, bob, creation_content={"type": "m.space"}, name="House")
    rooms = [await stage.public_room(alice, name=name) for name in ("Kitchen", "Cellar")]
    hidden = await stage.private_room(alice, name="Safe")
    for room in (*rooms, hidden):
        await alice.set_state(space, "m.space.child", {"via": [alice.at]}, room)
        await bob.sees_state(space, "m.space.child", {"via": [alice.at]}, room)
    found = await bob.request("GET", f"/v1/rooms/{segment(space)}/hierarchy")
    assert {each["room_id"] for each in found["rooms"]} == {space, *rooms}
    assert {each.get("name") for each in found["rooms"]} == {"House", "Kitchen", "Cellar"}


async def bob_finds_an_event_by_its_time(stage: Stage) -> None:
    """From before his server came in."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    early = await alice.say(room, "early")
    when = (await alice.event(room, early))["origin_server_ts"]
    for number in range(25):
        await alice.say(room, f"later {number}")
    await bob.join(room, via=[alice.at])
    await bob.sees_section(room, "join")
    assert await bob.at_time(room, when, "f") == early


async def bob_reads_what_a_room_is_about(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice, name="The garden", topic="Roses")
    found = await bob.request("GET", f"/v1/room_summary/{segment(room)}", via=[alice.at])
    assert (found["room_id"], found["name"], found["topic"]) == (room, "The garden", "Roses")
    assert (found["num_joined_members"], found["join_rule"], found["membership"]) == (1, "public", "leave")


async def alice_proves_to_others_who_she_is(stage: Stage) -> None:
    [alice] = await stage.people("alice")
    token = await alice.request("POST", f"/v3/user/{segment(alice.id)}/openid/request_token", {})
    assert token["matrix_server_name"] == alice.at
    path = f"/_matrix/federation/v1/openid/userinfo?access_token={token['access_token']}"
    assert await stage.federation("a", path) == {"sub": alice.id}
