"""Aliases and profiles of other servers, as clients ask for them, and ours, as others do."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from oriz_matrix.services import queries
from tests.support.homeserver import Home, Json, User, refused
from tests.support.in_process import SERVER_NAME, Answer
from tests.support.other_server import OtherServer
from tests.support.people import segment

DIRECTORY, PROFILE = "/query/directory", "/query/profile"


async def alias(user: User, name: str) -> Json:
    found: Json = await user.request("GET", f"/v3/directory/room/{segment(name)}")
    return found


async def profile(user: User, user_id: str, field: str = "") -> Json:
    path = f"/v3/profile/{segment(user_id)}" + (f"/{field}" if field else "")
    found: Json = await user.request("GET", path)
    return found


async def test_an_alias_elsewhere_is_asked_of_its_server(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    name = f"#ünïcode/tea:{them.name}"
    them.answers(DIRECTORY, {"room_id": "!a:b.org", "servers": ["b.org", "c.org:8449", "b.org"], "more": 1})
    assert await alias(alice, name) == {"room_id": "!a:b.org", "servers": ["b.org", "c.org:8449"]}
    assert them.asked(DIRECTORY) == [{"room_alias": [name]}]
    them.answers(DIRECTORY, {"room_id": "!v12", "servers": []})
    assert await alias(alice, name) == {"room_id": "!v12", "servers": [them.name]}
    them.answers(DIRECTORY, Answer(404, {"errcode": "M_NOT_FOUND"}))
    with refused(404, "M_NOT_FOUND", name):
        await alias(alice, name)
    assert (await home.server.ask("GET", f"/v3/directory/room/{segment(name)}")).status == 404


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"room_id": 5, "servers": []},
        {"room_id": "#a:b", "servers": []},
        {"room_id": "!" + "x" * 300, "servers": []},
        {"servers": ["b.org"]},
        [],
        {"room_id": "!a:b.org", "servers": ["b.org"], "large": "x" * 70_000},
        Answer(500, {}),
        Answer(400, {"errcode": "M_INVALID_PARAM"}),
        Answer(302, {}),
    ],
)
async def test_an_answer_that_is_none_is_a_clear_404(home: Home, them: OtherServer, answer: Any) -> None:
    alice = await home.user("alice")
    them.answers(DIRECTORY, answer)
    with refused(404, "M_NOT_FOUND"):
        await alias(alice, f"#tea:{them.name}")
    them.answers(DIRECTORY, {"room_id": "!a:b.org", "servers": {"a": 1}})
    assert await alias(alice, f"#tea:{them.name}") == {"room_id": "!a:b.org", "servers": [them.name]}


async def test_of_a_list_of_servers_only_some_are_taken(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    names = [f"s{number}.org" for number in range(100)]
    them.answers(DIRECTORY, {"room_id": "!a:b.org", "servers": [5, None, "no server", *names]})
    servers = (await alias(alice, f"#tea:{them.name}"))["servers"]
    assert servers == names[: len(servers)]
    assert 10 <= len(servers) <= 50


async def test_our_aliases_for_others(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(room_alias_name="tea")
    assert await them.good("GET", DIRECTORY, room_alias=f"#tea:{SERVER_NAME}") == {
        "room_id": room,
        "servers": [SERVER_NAME],
    }
    await them.is_in(room)
    await alice.leave(room)
    answer = await them.good("GET", DIRECTORY, room_alias=f"#tea:{SERVER_NAME}")
    assert them.name in answer["servers"]
    for query, status, errcode in [
        ({"room_alias": f"#coffee:{SERVER_NAME}"}, 404, "M_NOT_FOUND"),
        ({"room_alias": f"#tea:{them.name}"}, 400, "M_INVALID_PARAM"),
        ({"room_alias": "tea"}, 400, "M_INVALID_PARAM"),
        ({}, 400, "M_MISSING_PARAM"),
    ]:
        refusal = await them.ask("GET", DIRECTORY, **query)
        assert (refusal.status, refusal.body["errcode"]) == (status, errcode)


async def test_a_profile_elsewhere_is_asked_of_its_server_once(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    bob = f"@bob:{them.name}"
    shown = {"displayname": "Bob", "avatar_url": "mxc://b.org/abc", "m.tz": "Mars/Utopia", "org.example.x": [1, {}]}
    them.answers(PROFILE, shown)
    assert await profile(alice, bob) == shown
    assert await profile(alice, bob, "displayname") == {"displayname": "Bob"}
    with refused(404, "M_NOT_FOUND"):
        await profile(alice, bob, "org.example.y")
    assert them.asked(PROFILE) == [{"user_id": [bob]}]
    assert (await home.server.ask("GET", f"/v3/profile/{segment(bob)}")).body == shown


async def test_of_a_profile_only_fields_pass(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    hostile = {
        "displayname": {"a": 1},
        "avatar_url": "javascript:alert(1)",
        "m.tz": 5,
        "org.example.null": None,
        "Not A Field": 1,
        "org.example." + "x" * 300: 1,
        "org.example.good": "yes",
    }
    them.answers(PROFILE, hostile)
    assert await profile(alice, f"@bob:{them.name}") == {"org.example.good": "yes"}
    them.answers(PROFILE, {"displayname": "x" * 257, "avatar_url": "mxc://b.org/a/b"})
    assert await profile(alice, f"@carl:{them.name}") == {}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(404, {"errcode": "M_NOT_FOUND"}), 404),
        (Answer(403, {"errcode": "M_FORBIDDEN"}), 403),
        (Answer(500, {"errcode": "M_UNKNOWN"}), 404),
        ([], 404),
        ({"org.example.large": "x" * 65_600}, 404),
    ],
)
async def test_no_profile_is_a_clear_error(home: Home, them: OtherServer, answer: Any, status: int) -> None:
    alice = await home.user("alice")
    them.answers(PROFILE, answer)
    with refused(status, "M_NOT_FOUND" if status == 404 else "M_FORBIDDEN"):
        await profile(alice, f"@bob:{them.name}")


async def test_no_server_is_a_clear_404_and_soon_forgotten(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    for name in ("127.0.0.1:1", "denied.test", "nobody.invalid"):
        with refused(404, "M_NOT_FOUND"):
            await profile(alice, f"@bob:{name}")
        with refused(404, "M_NOT_FOUND"):
            await alias(alice, f"#tea:{name}")
    with refused(404, "M_NOT_FOUND"):
        await profile(alice, f"@nobody:{SERVER_NAME}")
    them.answers(PROFILE, {"displayname": "Bob"})
    assert await profile(alice, f"@bob:{them.name}") == {"displayname": "Bob"}


async def test_who_is_too_slow_is_left_alone(home: Home, them: OtherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await home.user("alice")
    ended = asyncio.Event()

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        await ended.wait()
        return web.json_response({})

    monkeypatch.setattr(queries, "SECONDS", 0.2)
    them.answers(PROFILE, slow)
    refusals = [profile(alice, f"@bob:{them.name}") for _ in range(3)]
    assert [str(each)[:3] for each in await asyncio.gather(*refusals, return_exceptions=True)] == ["404"] * 3
    with refused(404, "M_NOT_FOUND", them.name):
        await profile(alice, f"@carl:{them.name}")
    assert them.asked(PROFILE) == [{"user_id": [f"@bob:{them.name}"]}]
    ended.set()


async def test_our_profiles_for_others(home: Home, them: OtherServer) -> None:
    alice = await home.user("alice")
    await alice.request("PUT", f"/v3/profile/{alice.id}/m.tz", {"m.tz": "Europe/Oslo"})
    name = await profile(alice, alice.id)
    assert await them.good("GET", PROFILE, user_id=alice.id) == name
    assert await them.good("GET", PROFILE, user_id=alice.id, field="m.tz") == {"m.tz": "Europe/Oslo"}
    assert await them.good("GET", PROFILE, user_id=alice.id, field="org.example.x") == {}
    for query, status, errcode in [
        ({"user_id": f"@nobody:{SERVER_NAME}"}, 404, "M_NOT_FOUND"),
        ({"user_id": f"@bob:{them.name}"}, 400, "M_INVALID_PARAM"),
        ({"user_id": "bob"}, 400, "M_INVALID_PARAM"),
        ({}, 400, "M_MISSING_PARAM"),
    ]:
        refusal = await them.ask("GET", PROFILE, **query)
        assert (refusal.status, refusal.body["errcode"]) == (status, errcode)


async def test_other_queries_are_not_known(home: Home, them: OtherServer) -> None:
    refusal = await them.ask("GET", "/query/weather")
    assert (refusal.status, refusal.body["errcode"]) == (404, "M_UNRECOGNIZED")
    unsigned = await home.server.ask("GET", "/_matrix/federation/v1/query/weather")
    assert (unsigned.status, unsigned.body["errcode"]) == (401, "M_UNAUTHORIZED")
