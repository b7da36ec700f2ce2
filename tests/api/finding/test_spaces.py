"""Walks through spaces: order, depth, pages, who sees what, rooms of other servers; and levels for other servers."""

from typing import Any

import pytest

from oriz_matrix.services.rooms import hierarchy as service
from tests.support.homeserver import Home, Json, User, refused
from tests.support.in_process import SERVER_NAME, Answer
from tests.support.other_server import OtherServer
from tests.support.people import segment

SPACE = {"type": "m.space"}


async def new_space(user: User, name: str, **body: Any) -> str:
    return await user.create_room(name=name, **{"creation_content": SPACE, "preset": "public_chat", **body})


async def add(user: User, space: str, child: str, *via: str, **content: Any) -> None:
    """Puts a room into a space."""
    await user.set_state(space, "m.space.child", {"via": list(via or [SERVER_NAME]), **content}, child)


async def walk(user: User, space: str, **query: Any) -> Json:
    query = {name.replace("via", "org.matrix.msc4235.via"): value for name, value in query.items()}
    page: Json = await user.request("GET", f"/v1/rooms/{segment(space)}/hierarchy", **query)
    return page


async def names(user: User, space: str, **query: Any) -> list[str | None]:
    return [room.get("name") for room in (await walk(user, space, **query))["rooms"]]


def level(room_id: str) -> str:
    return f"/hierarchy/{room_id}"


def told(room_id: str, name: str, *children: str, via: tuple[str, ...] = ("b.org",), **more: Any) -> Json:
    """A room as another server tells of it."""
    links = [
        {
            "type": "m.space.child",
            "state_key": child,
            "sender": "@a:b.org",
            "content": {"via": list(via)},
            "origin_server_ts": number,
        }
        for number, child in enumerate(children)
    ]
    return {
        "room_id": room_id,
        "name": name,
        "num_joined_members": 2,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "children_state": links,
        **({"room_type": "m.space"} if children else {}),
        **more,
    }


async def test_a_space_is_walked_depth_first_in_its_order(home: Home) -> None:
    alice = await home.user("alice")
    root, inner = await new_space(alice, "root"), await new_space(alice, "inner")
    rooms = [await alice.create_room(name=f"room {number}", preset="public_chat") for number in range(4)]
    await add(alice, root, rooms[0])
    await add(alice, root, rooms[1], order="b")
    await add(alice, root, inner, order="a", suggested=True)
    await add(alice, root, rooms[3], order="ü")  # not a valid order
    await add(alice, inner, rooms[2])
    await add(alice, inner, root)  # a loop
    await add(alice, inner, rooms[1])  # a second parent
    assert await names(alice, root) == ["root", "inner", "room 2", "room 1", "room 0", "room 3"]
    page = await walk(alice, root)
    assert "next_batch" not in page
    [first, second, *_] = page["rooms"]
    assert [child["state_key"] for child in first["children_state"]] == [inner, rooms[1], rooms[0], rooms[3]]
    child = first["children_state"][0]
    assert child == {
        "type": "m.space.child",
        "state_key": inner,
        "sender": alice.id,
        "content": {"via": [SERVER_NAME], "order": "a", "suggested": True},
        "origin_server_ts": child["origin_server_ts"],
    }
    assert page["rooms"][2]["children_state"] == []
    assert (second["room_type"], second["join_rule"], second["room_version"]) == ("m.space", "public", "12")
    assert (await alice.request("GET", f"/unstable/org.matrix.msc2946/rooms/{segment(root)}/hierarchy")) == page


async def test_what_is_no_child_leads_nowhere(home: Home) -> None:
    alice = await home.user("alice")
    root, room = await new_space(alice, "root"), await alice.create_room(name="room")
    contents: list[Json] = [{}, {"via": []}, {"via": "example.org"}, {"via": [5]}, {"via": ["no server"]}]
    for content in contents:
        await alice.set_state(root, "m.space.child", content, room)
        assert await names(alice, root) == ["root"]
    await alice.set_state(root, "m.space.child", {"via": [SERVER_NAME]}, "no room")
    event = await alice.set_state(root, "m.space.child", {"via": [SERVER_NAME, 5]}, room)
    assert await names(alice, root) == ["root", "room"]
    await alice.redact(root, event)
    assert await names(alice, root) == ["root"]
    await add(alice, room, root)  # only spaces have children
    assert await names(alice, room) == ["room"]


async def test_depth_and_suggestions(home: Home) -> None:
    alice = await home.user("alice")
    root, inner = await new_space(alice, "root"), await new_space(alice, "inner")
    room = await alice.create_room(name="room")
    await add(alice, root, inner, suggested=True)
    await add(alice, root, room, suggested="true")
    await add(alice, inner, room)
    assert await names(alice, root, max_depth=0) == ["root"]
    assert await names(alice, root, max_depth=1) == ["root", "inner", "room"]
    page = await walk(alice, root, suggested_only=True)
    assert [room["name"] for room in page["rooms"]] == ["root", "inner"]
    assert [child["state_key"] for child in page["rooms"][0]["children_state"]] == [inner]


async def test_a_walk_goes_on_page_by_page(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    root, inner = await new_space(alice, "root"), await new_space(alice, "inner")
    rooms = [await alice.create_room(name=str(number), preset="public_chat") for number in range(3)]
    await add(alice, root, inner, order="a")
    await add(alice, root, rooms[0], order="b")
    await add(alice, root, rooms[1], order="c")
    await add(alice, inner, rooms[2])
    await add(alice, inner, rooms[0])
    found, token = [], None
    while True:
        page = await walk(alice, root, limit=2, from_=token, max_depth=9)
        found.append([room["name"] for room in page["rooms"]])
        again = await walk(alice, root, limit=2, from_=token, max_depth=9)
        assert again["rooms"] == page["rooms"]
        if "next_batch" not in page:
            break
        token = page["next_batch"]
    assert found == [["root", "inner"], ["2", "0"], ["1"]]
    for query in ({"max_depth": 8}, {}, {"max_depth": 9, "suggested_only": True}):
        with refused(400, "M_INVALID_PARAM", "max_depth"):
            await walk(alice, root, from_=token, **query)
    for user, space in ((bob, root), (alice, inner)):
        with refused(400, "M_INVALID_PARAM", "from"):
            await walk(user, space, from_=token, max_depth=9)


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": -1}, {"max_depth": -1}, {"limit": "x"}, {"from_": "x"}, {"via": "no server"}]
)
async def test_what_cannot_be_asked_is_refused(home: Home, query: Json) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM"):
        await walk(alice, await new_space(alice, "root"), **query)


async def test_who_sees_which_rooms(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    root = await new_space(alice, "root")
    made = {}
    for rule in ("public", "knock", "invite", "restricted", "knock_restricted"):
        content: Json = {"join_rule": rule}
        if "restricted" in rule:
            content["allow"] = [{"type": "m.room_membership", "room_id": root}]
        state = [{"type": "m.room.join_rules", "content": content}]
        made[rule] = await alice.create_room(name=rule, preset="private_chat", initial_state=state)
    readable = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    made["readable"] = await alice.create_room(name="readable", preset="private_chat", initial_state=[readable])
    for order, room in enumerate(made.values()):
        await add(alice, root, room, order=str(order))
    page = await walk(alice, root)
    assert [room["name"] for room in page["rooms"]] == ["root", *made]
    assert page["rooms"][4]["allowed_room_ids"] == [root]
    assert await names(bob, root) == ["root", "public", "knock", "knock_restricted", "readable"]
    await bob.join(root)
    assert await names(bob, root) == ["root", "public", "knock", "restricted", "knock_restricted", "readable"]
    await alice.invite(made["invite"], bob)
    assert await names(bob, root) == ["root", *made]
    for room in made.values():
        await alice.moderate(room, "ban", bob)
    assert await names(bob, root) == ["root", "readable"]
    await alice.moderate(root, "ban", bob)
    with refused(403, "M_FORBIDDEN"):
        await walk(bob, root)
    with refused(403, "M_FORBIDDEN"):
        await walk(bob, made["invite"])
    with refused(403, "M_FORBIDDEN"):
        await walk(bob, "!nothing:example.org")


async def test_a_rule_that_the_version_does_not_know_lets_nobody_in(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    state = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
    room = await alice.create_room(room_version="6", initial_state=state)
    with refused(403, "M_FORBIDDEN"):
        await walk(bob, room)


async def test_rooms_of_others_are_asked_of_those_who_lead_there(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    root, ours = await new_space(alice, "root"), await alice.create_room(name="ours")
    space, leaf, secret, deep = "!space:b.org", "!leaf:b.org", "!secret:b.org", "!deep:b.org"
    children = (leaf, secret, deep, ours)
    them.answers(
        level(space),
        {
            "room": told(space, "their space", *children, via=(them.name,)),
            "children": [
                told(leaf, "leaf"),
                told(deep, "stale", "!x:b.org"),
                told(ours, "a lie"),
                told("!uninvited:b.org", "not a child"),
            ],
            "inaccessible_children": [secret],
        },
    )
    them.answers(level(deep), {"room": told(deep, "deep", root), "children": [], "inaccessible_children": []})
    await add(alice, root, space, "127.0.0.1:1", them.name)
    assert await names(alice, root) == ["root", "their space", "leaf", "deep", "ours"]
    assert them.asked(level(space)) == [{"suggested_only": ["false"]}]
    assert them.asked(level(leaf)) == them.asked(level(secret)) == []
    assert await names(alice, space, via=them.name) == ["their space", "leaf", "deep", "root", "ours"]


async def test_what_others_tell_is_shown_to_who_may_see_it(home: Home, them: OtherServer) -> None:
    alice, bob = await home.users("alice", "bob")
    root = await new_space(alice, "root")
    rules = {"!invite": "invite", "!knock": "knock", "!restricted": "restricted", "!public": "public"}
    for order, (room_id, rule) in enumerate(rules.items()):
        room = told(room_id, rule, join_rule=rule, allowed_room_ids=[root] if rule == "restricted" else [])
        them.answers(level(room_id), {"room": room, "children": [], "inaccessible_children": []})
        await add(alice, root, room_id, them.name, order=str(order))
    assert await names(bob, root) == ["root", "knock", "public"]
    await bob.join(root)
    assert await names(bob, root) == ["root", "knock", "restricted", "public"]


@pytest.mark.parametrize(
    "room",
    [
        5,
        None,
        {},
        {"room_id": "!other:b.org"},
        {"room_id": 5},
        Answer(404, {"errcode": "M_NOT_FOUND"}),
        Answer(500, {}),
    ],
)
async def test_nonsense_is_left_out(home: Home, them: OtherServer, room: Any) -> None:
    alice = await home.user("alice")
    root = await new_space(alice, "root")
    await add(alice, root, "!x:b.org", them.name)
    them.answers(level("!x:b.org"), room if isinstance(room, Answer) else {"room": room})
    assert await names(alice, root) == ["root"]


async def test_hostile_children_are_checked_one_by_one(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    good = told("!x:b.org", "x", "!good:b.org")["children_state"][0]
    good["content"] = {"via": ["b.org", 5, "no server"], "order": 5, "suggested": "yes", "more": {"a": 1}}
    nonsense: list[Any] = [None, -(2**60), "x", [], {}]
    bad = [{**good, name: value} for name in good for value in nonsense]
    bad += [{**good, "origin_server_ts": value} for value in (True, 2**53, 1.5)]
    room = {**told("!x:b.org", "x"), "room_type": "m.space", "children_state": [5, *bad, good], "more": 5}
    them.answers(level("!x:b.org"), {"room": room, "children": 5, "inaccessible_children": {}})
    [only] = (await walk(alice, "!x:b.org", via=them.name))["rooms"]
    assert only["children_state"] == [{**good, "content": {"via": ["b.org"]}}]
    assert "more" not in only


async def test_a_walk_that_takes_too_long_goes_on_later(
    home: Home, them: OtherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.user("alice")
    root = await new_space(alice, "root")
    await add(alice, root, "!x:b.org", them.name)
    them.answers(level("!x:b.org"), {"room": told("!x:b.org", "x"), "children": [], "inaccessible_children": []})
    with monkeypatch.context() as patch:
        patch.setattr(service, "SECONDS", 0)
        page = await walk(alice, root)
    assert page["rooms"] == []
    page = await walk(alice, root, from_=page["next_batch"])
    assert [room["name"] for room in page["rooms"]] == ["root", "x"]


async def test_the_largest_walk_ends(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_ROOMS", 2)
    alice = await home.user("alice")
    root = await new_space(alice, "root")
    for number in range(3):
        await add(alice, root, await alice.create_room(name=str(number)), order=str(number))
    assert await names(alice, root) == ["root", "0"]


async def test_other_servers_get_a_level(home: Home, them: OtherServer, others: OtherServer) -> None:
    alice = await home.user("alice")
    root, inner = await new_space(alice, "root"), await new_space(alice, "inner")
    open_room = await alice.create_room(name="open", preset="public_chat")
    closed = await alice.create_room(name="closed", preset="private_chat")
    allow = [{"type": "m.room_membership", "room_id": root}]
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
    restricted = await alice.create_room(name="restricted", preset="private_chat", initial_state=[rules])
    local = await new_space(alice, "local", creation_content={**SPACE, "m.federate": False})
    for order, room in enumerate((inner, open_room, closed, restricted, local, "!unknown:b.org")):
        await add(alice, root, room, order=str(order), suggested=order < 2)
    answer = await them.good("GET", level(segment(root)))
    assert answer["room"]["name"] == "root"
    assert [link["state_key"] for link in answer["room"]["children_state"]][2] == closed
    assert {room["name"] for room in answer["children"]} == {"inner", "open"}
    assert set(answer["inaccessible_children"]) == {closed, restricted, local}
    await them.is_in(root, closed)
    answer = await them.good("GET", level(segment(root)))
    assert {room["name"] for room in answer["children"]} == {"inner", "open", "closed", "restricted"}
    answer = await others.good("GET", level(segment(root)), suggested_only="true")
    assert [link["state_key"] for link in answer["room"]["children_state"]] == [inner, open_room]
    assert answer["inaccessible_children"] == []
    for room in (closed, local, "!unknown:b.org"):
        answered = await others.ask("GET", level(segment(room)))
        assert (answered.status, answered.body["errcode"]) == (404, "M_NOT_FOUND")
    assert (await them.good("GET", level(segment(closed))))["room"]["children_state"] == []
