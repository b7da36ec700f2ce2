"""What the server says of itself, filters and push rules."""

from typing import Any

import pytest

from oriz_matrix.protocol.push.defaults import default_rules
from oriz_matrix.protocol.push.rules import to_json
from tests.support.in_process import Homeserver


async def test_the_claimed_versions_end_before_media(server: Homeserver) -> None:
    answer = await server.ask("GET", "/versions")
    assert answer.body["versions"] == ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 11))]
    guest = (await server.ask("POST", "/v3/register?kind=guest", {})).body["access_token"]
    assert (await server.ask("GET", "/versions", by=guest)).status == 200


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_capabilities_name_room_versions_and_what_is_off(server: Homeserver, version: str) -> None:
    alice = await server.person("alice")
    answer = (await server.ask("GET", f"/{version}/capabilities", by=alice)).body["capabilities"]
    rooms = {"default": "12", "available": {str(number): "stable" for number in range(1, 13)}}
    assert answer["m.room_versions"] == rooms
    assert answer["m.change_password"] == {"enabled": False}
    assert (await server.ask("GET", f"/{version}/capabilities")).body["errcode"] == "M_MISSING_TOKEN"


async def test_a_filter_comes_back_as_it_was_stored(server: Homeserver) -> None:
    alice = await server.person("alice")
    path = "/v3/user/@alice:example.org/filter"
    body = {"room": {"timeline": {"limit": 5}}, "org.example.unknown": [1, None, "ü"]}
    stored = await server.ask("POST", path, body, by=alice)
    filter_id = stored.body["filter_id"]
    assert not filter_id.startswith("{")
    assert (await server.ask("GET", f"{path}/{filter_id}", by=alice)).body == body
    assert (await server.ask("GET", f"/r0/user/%40alice%3Aexample.org/filter/{filter_id}", by=alice)).body == body
    again = await server.ask("POST", path, dict(reversed(body.items())), by=alice)
    assert again.body == {"filter_id": filter_id}
    assert (await server.ask("POST", path, {}, by=alice)).body["filter_id"] != filter_id


async def test_filters_are_ones_own(server: Homeserver) -> None:
    alice, bob = await server.person("alice"), await server.person("bob")
    path = "/v3/user/@alice:example.org/filter"
    filter_id = (await server.ask("POST", path, {}, by=alice)).body["filter_id"]
    for answer in (
        await server.ask("GET", f"{path}/{filter_id}", by=bob),
        await server.ask("POST", path, {}, by=bob),
    ):
        assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
    for unknown in ("99", "0", "-1", "x", "9" * 50, "%F0%9F%98%80"):
        answer = await server.ask("GET", f"{path}/{unknown}", by=alice)
        assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("body", [{"room": 1}, {"room": {"rooms": ["x"]}}, {"event_format": "other"}, []])
async def test_what_is_no_filter_is_bad_json(server: Homeserver, body: Any) -> None:
    alice = await server.person("alice")
    answer = await server.ask("POST", "/v3/user/@alice:example.org/filter", body, by=alice)
    assert (answer.status, answer.body["errcode"]) == (400, "M_BAD_JSON")


async def test_push_rules_are_the_predefined_ones(server: Homeserver) -> None:
    alice = await server.person("alice")
    expected = to_json(default_rules(alice.user_id))
    for path in ("/v3/pushrules/", "/v3/pushrules", "/r0/pushrules/"):
        assert (await server.ask("GET", path, by=alice)).body == expected
    for path in ("/v3/pushrules/global/", "/r0/pushrules/global"):
        assert (await server.ask("GET", path, by=alice)).body == expected["global"]
