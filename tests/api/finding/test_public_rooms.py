"""The room directory: which rooms are listed, in which order, page by page, by filters, and the lists of others."""

from typing import Any

import pytest

from oriz_matrix.services.rooms import directory as service
from tests.support.homeserver import Home, Json, User, refused
from tests.support.in_process import SERVER_NAME, Answer
from tests.support.other_server import OtherServer
from tests.support.people import segment

PUBLIC = "/publicRooms"


async def listed(user: User, body: Json | None = None, **query: Any) -> list[str]:
    """The names of the rooms that a search finds."""
    answer = await user.request("POST", "/v3/publicRooms", body or {}, **query)
    return [room["name"] for room in answer["chunk"]]


async def publish(user: User, room: str, visibility: str = "public") -> None:
    assert await user.request("PUT", f"/v3/directory/list/room/{segment(room)}", {"visibility": visibility}) == {}


async def rooms_of_sizes(founder: User, others: list[User], *sizes: int) -> list[str]:
    """Published rooms, each called by how many are in it."""
    made = []
    for number, size in enumerate(sizes):
        name = f"{size}-{number}"
        room = await founder.create_room(visibility="public", name=name)
        for other in others[: size - 1]:
            await other.join(room)
        made.append(name)
    return made


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_an_entry_says_what_a_room_shows(home: Home, version: str) -> None:
    alice, bob = await home.users("alice", "bob")
    state = [
        {"type": "m.room.avatar", "content": {"url": "mxc://example.org/abc"}},
        {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}},
        {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}},
    ]
    room = await alice.create_room(
        visibility="public",
        name="Tea",
        topic="Leaves",
        room_alias_name="tea",
        initial_state=state,
        creation_content={"type": "m.space"},
    )
    await alice.create_room(name="Not listed", preset="public_chat")
    await bob.join(room)
    entry = {
        "room_id": room,
        "name": "Tea",
        "topic": "Leaves",
        "canonical_alias": f"#tea:{SERVER_NAME}",
        "avatar_url": "mxc://example.org/abc",
        "num_joined_members": 2,
        "world_readable": True,
        "guest_can_join": True,
        "join_rule": "public",
        "room_type": "m.space",
    }
    page = {"chunk": [entry], "total_room_count_estimate": 1}
    assert (await home.server.ask("GET", f"/{version}{PUBLIC}")).body == page
    assert await alice.request("POST", f"/{version}{PUBLIC}", {}) == page
    assert await alice.request("POST", f"/{version}{PUBLIC}", {}, server=SERVER_NAME) == page


async def test_the_plain_text_of_a_topic_is_shown(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(visibility="public", name="Tea")
    cases: list[tuple[Json, str | None]] = [
        ({"topic": "old", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "x"}, {"body": "new"}]}}, "new"),
        ({"topic": "old", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "x"}]}}, "old"),
        ({"topic": "old", "m.topic": 5}, "old"),
        ({"topic": 5}, None),
    ]
    for content, shown in cases:
        await alice.set_state(room, "m.room.topic", content)
        [entry] = (await alice.request("GET", "/v3/publicRooms"))["chunk"]
        assert entry.get("topic") == shown


async def test_rooms_come_page_by_page_the_largest_first_and_back_again(home: Home) -> None:
    alice, *others = await home.users("alice", "bob", "carl", "dora")
    names = await rooms_of_sizes(alice, others, 1, 3, 2, 2, 4)
    in_order = [names[index] for index in (4, 1, 3, 2, 0)]
    pages, tokens, token = [], [], None
    while True:
        page = await alice.request("GET", "/v3/publicRooms", limit=2, since=token)
        pages.append([room["name"] for room in page["chunk"]])
        tokens.append(page.get("prev_batch"))
        assert page["total_room_count_estimate"] == 5
        token = page.get("next_batch")
        if token is None:
            break
    assert pages == [in_order[:2], in_order[2:4], in_order[4:]]
    assert tokens[0] is None
    back = await alice.request("GET", "/v3/publicRooms", limit=2, since=tokens[2])
    assert [room["name"] for room in back["chunk"]] == in_order[2:4]
    first = await alice.request("GET", "/v3/publicRooms", limit=2, since=back["prev_batch"])
    assert [room["name"] for room in first["chunk"]] == in_order[:2]
    assert "prev_batch" not in first
    again = await alice.request("GET", "/v3/publicRooms", limit=2, since=first["next_batch"])
    assert [room["name"] for room in again["chunk"]] == in_order[2:4]


async def test_a_search_finds_names_topics_and_aliases(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await home.user("alice")
    await alice.create_room(visibility="public", name="Grüne Tees")
    await alice.create_room(visibility="public", name="Coffee", topic="no GRÜN here")
    await alice.create_room(visibility="public", name="Garden", room_alias_name="greenery")
    await alice.create_room(visibility="public", name="Space", creation_content={"type": "m.space"})
    assert await listed(alice, {"filter": {"generic_search_term": "grün"}}) == ["Coffee", "Grüne Tees"]
    assert await listed(alice, {"filter": {"generic_search_term": "GREEN"}}) == ["Garden"]
    assert await listed(alice, {"filter": {"generic_search_term": ""}}) == ["Space", "Garden", "Coffee", "Grüne Tees"]
    assert await listed(alice, {"filter": {"room_types": ["m.space"]}}) == ["Space"]
    assert await listed(alice, {"filter": {"room_types": [None]}}) == ["Garden", "Coffee", "Grüne Tees"]
    assert await listed(alice, {"filter": {"room_types": [None, "m.space"]}, "limit": 1}) == ["Space"]
    assert await listed(alice, {"filter": {"room_types": []}}) == []
    assert await listed(alice, {"filter": None, "limit": None, "include_all_networks": True}) != []
    assert await listed(alice, {"third_party_instance_id": "irc"}) == []
    monkeypatch.setattr(service, "MAX_LOOKED_AT", 1)
    page = await alice.request("POST", "/v3/publicRooms", {"filter": {"generic_search_term": "tees"}, "limit": 1})
    assert page["chunk"] == []
    page = await alice.request(
        "POST", "/v3/publicRooms", {"filter": {"generic_search_term": "tees"}, "limit": 1, "since": page["next_batch"]}
    )
    assert [room["name"] for room in page["chunk"]] == ["Grüne Tees"]


async def test_many_rooms_are_read_in_pieces(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHUNK", 2)
    alice = await home.user("alice")
    for number in range(5):
        await alice.create_room(visibility="public", name=str(number))
    assert await listed(alice) == ["4", "3", "2", "1", "0"]
    page = await alice.request("GET", "/v3/publicRooms", limit=3)
    assert [room["name"] for room in page["chunk"]] == ["4", "3", "2"]
    page = await alice.request("GET", "/v3/publicRooms", limit=3, since=page["next_batch"])
    assert ([room["name"] for room in page["chunk"]], page.get("next_batch")) == (["1", "0"], None)


async def test_what_leads_nowhere_is_not_listed(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    hidden = await alice.create_room(visibility="public", preset="private_chat", name="By invitation")
    assert await listed(alice) == []
    await alice.set_state(hidden, "m.room.join_rules", {"join_rule": "knock"})
    assert await listed(alice) == ["By invitation"]
    await alice.set_state(hidden, "m.room.join_rules", {"join_rule": "invite"})
    await alice.set_state(hidden, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert await listed(alice) == ["By invitation"]
    await alice.leave(hidden)
    assert await listed(bob) == []


async def test_rooms_are_published_and_taken_off(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", name="Tea")
    path = f"/v3/directory/list/room/{segment(room)}"
    assert (await home.server.ask("GET", path)).body == {"visibility": "private"}
    assert await alice.request("PUT", path, {}) == {}
    assert (await home.server.ask("GET", path)).body == {"visibility": "public"}
    assert await listed(bob) == ["Tea"]
    await bob.join(room)
    for body in ({"visibility": "private"}, {"visibility": "public"}):
        with refused(403, "M_FORBIDDEN"):
            await bob.request("PUT", path, body)
    await publish(alice, room, "private")
    assert await listed(bob) == []
    with refused(400, "M_BAD_JSON", "visibility"):
        await alice.request("PUT", path, {"visibility": "secret"})
    for method in ("GET", "PUT"):
        with refused(404, "M_NOT_FOUND"):
            await alice.request(method, "/v3/directory/list/room/!nothing:example.org", {})


async def test_who_is_not_in_the_room_does_not_publish_it(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", room_version="10")
    await alice.leave(room)
    for user in (alice, bob):
        with refused(403, "M_FORBIDDEN"):
            await publish(user, room)
    admin = await home.server.person("admin", admin=True)
    path = f"/v3/directory/list/room/{segment(room)}"
    assert (await home.server.ask("PUT", path, {}, by=admin)).status == 200


@pytest.mark.parametrize(
    "query", [{"limit": -1}, {"limit": "many"}, {"since": "x"}, {"since": "n1"}, {"server": "no server"}]
)
async def test_what_cannot_be_asked_is_refused(home: Home, query: Json) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM"):
        await alice.request("GET", "/v3/publicRooms", **query)


async def test_networks_are_all_or_one(home: Home) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM", "third_party_instance_id"):
        await listed(alice, {"include_all_networks": True, "third_party_instance_id": "irc"})


async def test_others_read_our_list(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    await alice.create_room(visibility="public", name="Tea")
    await alice.create_room(visibility="public", name="Space", creation_content={"type": "m.space"})
    await alice.create_room(visibility="public", name="Ours", creation_content={"m.federate": False})
    page = await them.good("GET", PUBLIC, limit=1)
    assert [room["name"] for room in page["chunk"]] == ["Space"]
    page = await them.good("GET", PUBLIC, since=page["next_batch"], include_all_networks="true")
    assert [room["name"] for room in page["chunk"]] == ["Tea"]
    page = await them.good("POST", PUBLIC, {"limit": 10, "filter": {"room_types": ["m.space"]}})
    assert [room["name"] for room in page["chunk"]] == ["Space"]
    assert (await them.good("GET", PUBLIC, third_party_instance_id="irc"))["chunk"] == []
    both = {"include_all_networks": True, "third_party_instance_id": "irc"}
    assert (await them.ask("POST", PUBLIC, both)).body["errcode"] == "M_INVALID_PARAM"
    assert await listed(alice) == ["Ours", "Space", "Tea"]


async def test_the_list_of_another_server_is_asked_of_it(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    entry = {"room_id": "!a:b.org", "num_joined_members": 3, "world_readable": False, "guest_can_join": True}
    page = {"chunk": [entry], "next_batch": "more", "prev_batch": "less", "total_room_count_estimate": 9}
    them.answers(PUBLIC, page)
    asked = {"limit": 7, "since": "a token", "server": them.name}
    assert await alice.request("GET", "/v3/publicRooms", **asked) == page
    assert await alice.request("GET", "/v3/publicRooms", **asked) == page
    wanted = {"limit": ["7"], "since": ["a token"], "include_all_networks": ["false"]}
    assert them.asked(PUBLIC) == [wanted]
    body = {"limit": 7, "filter": {"generic_search_term": "x", "room_types": [None]}, "include_all_networks": True}
    assert await alice.request("POST", "/v3/publicRooms", body, server=them.name) == page
    assert them.stranger.seen[-1][0] == "POST"
    assert b'"generic_search_term":"x"' in them.stranger.bodies[-1]
    assert b'"room_types":[null]' in them.stranger.bodies[-1]


async def test_nothing_passes_that_has_not_its_type(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    hostile = {
        "room_id": "!a:b.org",
        "num_joined_members": True,
        "world_readable": "yes",
        "guest_can_join": 1,
        "name": {"a": 1},
        "topic": 5,
        "avatar_url": "javascript:alert(1)",
        "canonical_alias": "no alias",
        "join_rule": ["public"],
        "room_type": 7,
        "anything": "else",
    }
    chunk = [hostile, 5, None, "x", {}, {"room_id": 5}, {"room_id": "#a:b"}, {**hostile, "num_joined_members": -1}]
    them.answers(PUBLIC, {"chunk": chunk, "next_batch": 5, "prev_batch": None, "total_room_count_estimate": 2**60})
    page = await alice.request("GET", "/v3/publicRooms", server=them.name)
    clean = {"room_id": "!a:b.org", "num_joined_members": 0, "world_readable": False, "guest_can_join": False}
    assert page == {"chunk": [clean, clean]}


@pytest.mark.parametrize(
    "answer", [5, [], {"chunk": 5}, Answer(404, {"errcode": "M_UNRECOGNIZED"}), Answer(500, {}), Answer(429, 5)]
)
async def test_a_list_that_is_none_is_a_clear_error(home: Home, them: OtherServer, answer: Any) -> None:
    alice = await home.user("alice")
    them.answers(PUBLIC, answer)
    if answer == {"chunk": 5}:
        assert await alice.request("GET", "/v3/publicRooms", server=them.name) == {"chunk": []}
        return
    with refused(404, "M_NOT_FOUND", them.name):
        await alice.request("GET", "/v3/publicRooms", server=them.name)


async def test_who_does_not_answer_is_a_clear_error(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    for name in ("127.0.0.1:1", "denied.test", "nobody.invalid:1"):
        with refused(404, "M_NOT_FOUND", name):
            await alice.request("GET", "/v3/publicRooms", server=name)
    them.answers(PUBLIC, Answer(403, {"errcode": "M_FORBIDDEN"}))
    with refused(403, "M_FORBIDDEN", them.name):
        await alice.request("GET", "/v3/publicRooms", server=them.name)
