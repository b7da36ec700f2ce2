"""Filters, push rules, capabilities and joined rooms."""

from typing import Any

import pytest

from tests.support.homeserver import Home, refused

FILTER = {"room": {"timeline": {"limit": 3, "types": ["m.room.*"]}}, "event_fields": ["content.body"]}


async def test_filters_are_kept_as_they_came(either_home: Home) -> None:
    alice, bob = await either_home.users("alice", "bob")
    path = f"/v3/user/{alice.id}/filter"
    unknown = {**FILTER, "org.example.more": {"x": [1]}}
    first = (await alice.request("POST", path, FILTER))["filter_id"]
    second = (await alice.request("POST", path, unknown))["filter_id"]
    assert first != second
    assert not first.startswith("{")
    assert (await alice.request("POST", path, FILTER))["filter_id"] == first
    assert await alice.request("GET", f"{path}/{first}") == FILTER
    assert await alice.request("GET", f"{path}/{second}") == unknown
    for attempt in (bob.request("GET", f"{path}/{first}"), bob.request("POST", path, FILTER)):
        with refused(403, "M_FORBIDDEN", "user_id"):
            await attempt
    with refused(404, "M_NOT_FOUND"):
        await bob.request("GET", f"/v3/user/{bob.id}/filter/{first}")


@pytest.mark.parametrize("filter_id", ["7", "0", "-1", "x", "9" * 30, "%F0%9F%8D%B5", "1.5"])
async def test_filters_that_are_not_there(home: Home, filter_id: str) -> None:
    alice = await home.user("alice")
    with refused(404, "M_NOT_FOUND"):
        await alice.request("GET", f"/v3/user/{alice.id}/filter/{filter_id}")


@pytest.mark.parametrize(
    ("body", "naming"),
    [
        ([], ""),
        ({"event_fields": "content"}, "event_fields"),
        ({"event_format": "xml"}, "event_format"),
        ({"room": {"timeline": {"limit": -1}}}, "room.timeline.limit"),
        ({"room": {"timeline": {"limit": "3"}}}, "room.timeline.limit"),
        ({"room": {"rooms": ["tea"]}}, "room.rooms"),
        ({"room": {"state": {"senders": ["alice"]}}}, "room.state.senders"),
        ({"account_data": {"types": [1]}}, "account_data.types"),
    ],
)
async def test_filters_that_are_none(home: Home, body: Any, naming: str) -> None:
    alice = await home.user("alice")
    with refused(400, "M_BAD_JSON", naming):
        await alice.request("POST", f"/v3/user/{alice.id}/filter", body)


async def test_a_filter_may_not_be_of_any_size(home: Home) -> None:
    alice = await home.user("alice")
    with refused(413, "M_TOO_LARGE"):
        await alice.request("POST", f"/v3/user/{alice.id}/filter", {"event_fields": ["x" * 70_000]})


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_push_rules_and_their_trailing_slash(home: Home, version: str) -> None:
    alice = await home.user("alice")
    rules = await alice.request("GET", f"/{version}/pushrules/")
    assert rules == await alice.request("GET", f"/{version}/pushrules")
    assert set(rules["global"]) == {"override", "content", "room", "sender", "underride"}
    assert await alice.request("GET", f"/{version}/pushrules/global/") == rules["global"]
    by_id = {rule["rule_id"]: rule for rule in rules["global"]["override"]}
    assert by_id[".m.rule.invite_for_me"]["conditions"][-1]["pattern"] == alice.id


async def test_trap_40_capabilities_say_what_is_so(home: Home) -> None:
    alice = await home.user("alice")
    capabilities = (await alice.request("GET", "/v3/capabilities"))["capabilities"]
    versions = capabilities["m.room_versions"]
    assert versions["default"] == "12"
    for version in versions["available"]:
        await alice.create_room(room_version=version)


async def test_joined_rooms(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    rooms = [await alice.create_room(invite=[bob.id]) for _ in range(3)]
    await bob.join(rooms[0])
    await alice.leave(rooms[1])
    assert (await bob.request("GET", "/v3/joined_rooms"))["joined_rooms"] == [rooms[0]]
    assert set((await alice.request("GET", "/v3/joined_rooms"))["joined_rooms"]) == {rooms[0], rooms[2]}


@pytest.mark.parametrize("path", ["joined_rooms", "sync", "capabilities", "pushrules/", "rooms/!a:example.org/state"])
async def test_a_session_is_needed(home: Home, path: str) -> None:
    answer = await home.server.ask("GET", f"/v3/{path}")
    assert (answer.status, answer.body["errcode"]) == (401, "M_MISSING_TOKEN")


@pytest.mark.parametrize(
    ("query", "errcode", "naming"),
    [
        ({"since": "yesterday"}, "M_INVALID_PARAM", "since"),
        ({"since": "t5"}, "M_INVALID_PARAM", "since"),
        ({"since": "s99999999999999999999"}, "M_INVALID_PARAM", "since"),
        ({"timeout": -1}, "M_INVALID_PARAM", "timeout"),
        ({"timeout": "soon"}, "M_INVALID_PARAM", "timeout"),
        ({"full_state": "maybe"}, "M_INVALID_PARAM", "full_state"),
        ({"set_presence": "asleep"}, "M_INVALID_PARAM", "set_presence"),
        ({"filter": "{"}, "M_INVALID_PARAM", "filter"),
        ({"filter": '{"room": 5}'}, "M_INVALID_PARAM", "room"),
    ],
)
async def test_parameters_of_sync_that_are_wrong(home: Home, query: dict[str, Any], errcode: str, naming: str) -> None:
    alice = await home.user("alice")
    with refused(400, errcode, naming):
        await alice.sync(**query)


async def test_a_stored_filter_that_is_not_there(home: Home) -> None:
    alice = await home.user("alice")
    with refused(404, "M_NOT_FOUND"):
        await alice.sync(filter="77")
