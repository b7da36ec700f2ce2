"""Logging in and out, and what an access token is good for."""

from typing import Any

import pytest

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import accounts
from oriz_matrix.storage.accounts import Flags
from tests.support.in_process import Answer, Homeserver, Person

PASSWORD = "a good password"


def by_id(user: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    """The body of a login."""
    identifier = {"type": "m.id.user", "user": user}
    return {"type": "m.login.password", "identifier": identifier, "password": password, **more}


async def login(server: Homeserver, body: Any) -> Answer:
    """POST /login."""
    return await server.ask("POST", "/v3/login", body)


async def whoami(server: Homeserver, token: str) -> Answer:
    """GET /account/whoami."""
    return await server.ask("GET", "/v3/account/whoami", by=token)


async def set_flags(server: Homeserver, person: Person, flags: Flags) -> None:
    """What an administrator of another process would do."""
    found = await server.server.database.read(accounts.find, UserId(person.user_id))
    assert found is not None
    await server.server.database.write(accounts.set_flags, found.user, flags)
    await server.server.changes.catch_up()


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_the_flows_are_told(server: Homeserver, version: str) -> None:
    answer = await server.ask("GET", f"/{version}/login")
    assert answer.body == {"flows": [{"type": "m.login.password"}]}


@pytest.mark.parametrize("name", ["alice", "@alice:example.org", "Alice", "@ALICE:example.org"])
async def test_users_log_in_by_name_or_id(server: Homeserver, name: str) -> None:
    await server.person("alice")
    for body in (by_id(name), {"type": "m.login.password", "user": name, "password": PASSWORD}):
        answer = await login(server, body)
        assert answer.status == 200
        assert answer.body["user_id"] == "@alice:example.org"
        expected = {"user_id": "@alice:example.org", "device_id": answer.body["device_id"]}
        assert (await whoami(server, answer.body["access_token"])).body == expected


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        (by_id("alice", "wrong password"), 403, "M_FORBIDDEN"),
        (by_id("bob"), 403, "M_FORBIDDEN"),
        (by_id("@alice:elsewhere.example"), 403, "M_FORBIDDEN"),
        (by_id("x" * 10_000), 403, "M_FORBIDDEN"),
        (by_id("alice", "x" * 10_000), 403, "M_FORBIDDEN"),
        (by_id("alice") | {"identifier": {"type": "m.id.thirdparty", "medium": "email"}}, 403, "M_FORBIDDEN"),
        (by_id("alice") | {"identifier": {"type": "org.example.id"}}, 400, "M_UNKNOWN"),
        (by_id("alice") | {"identifier": {"type": "m.id.user"}}, 400, "M_MISSING_PARAM"),
        (by_id("alice") | {"identifier": "alice"}, 400, "M_BAD_JSON"),
        ({"type": "m.login.password", "password": PASSWORD}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "user": "alice"}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.magic"}, 400, "M_UNKNOWN"),
        ({}, 400, "M_BAD_JSON"),
        (b"{", 400, "M_NOT_JSON"),
        (by_id("alice", device_id="x" * 300), 400, "M_INVALID_PARAM"),
        (by_id("alice", initial_device_display_name="x" * 300), 400, "M_INVALID_PARAM"),
    ],
)
async def test_whoever_is_not_let_in_is_told_why(server: Homeserver, body: Any, status: int, errcode: str) -> None:
    await server.person("alice")
    answer = await login(server, body)
    assert (answer.status, answer.body["errcode"]) == (status, errcode)


async def test_a_device_has_one_session(server: Homeserver) -> None:
    await server.person("alice")
    old = (await login(server, by_id("alice", device_id="PHONE"))).body
    desk = (await login(server, by_id("alice", device_id="DESK"))).body
    new = (await login(server, by_id("alice", device_id="PHONE"))).body
    assert (await whoami(server, old["access_token"])).body["errcode"] == "M_UNKNOWN_TOKEN"
    assert (await whoami(server, desk["access_token"])).status == 200
    assert (await whoami(server, new["access_token"])).body["device_id"] == "PHONE"


@pytest.mark.parametrize(("path", "others"), [("/v3/logout", 200), ("/r0/logout/all", 401)])
async def test_logging_out_ends_sessions(server: Homeserver, path: str, others: int) -> None:
    alice = await server.person("alice")
    desk = (await login(server, by_id("alice"))).body["access_token"]
    assert (await whoami(server, alice.token)).status == 200
    assert (await server.ask("POST", path, by=alice)).body == {}
    ended = await whoami(server, alice.token)
    assert (ended.status, ended.body["errcode"], ended.body["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", False)
    assert (await whoami(server, desk)).status == others


async def test_a_locked_account_may_only_log_out(server: Homeserver) -> None:
    alice = await server.person("alice")
    await set_flags(server, alice, Flags(is_locked=True))
    for answer in (await whoami(server, alice.token), await login(server, by_id("alice"))):
        assert (answer.status, answer.body["errcode"], answer.body["soft_logout"]) == (401, "M_USER_LOCKED", True)
    assert (await login(server, by_id("alice", "wrong password"))).status == 403
    await set_flags(server, alice, Flags())
    assert (await whoami(server, alice.token)).status == 200
    await set_flags(server, alice, Flags(is_locked=True))
    assert (await server.ask("POST", "/v3/logout", by=alice)).status == 200


async def test_a_suspended_account_may_log_in(server: Homeserver) -> None:
    alice = await server.person("alice")
    await set_flags(server, alice, Flags(is_suspended=True))
    assert (await whoami(server, alice.token)).status == 200
    assert (await login(server, by_id("alice"))).status == 200


async def test_a_deactivated_account_is_shut(server: Homeserver) -> None:
    await server.person("alice")
    database = server.server.database
    found = await database.read(accounts.find, UserId("@alice:example.org"))
    assert found is not None
    await database.write(accounts.deactivate, found.user, 1)
    answer = await login(server, by_id("alice"))
    assert (answer.status, answer.body["errcode"]) == (403, "M_USER_DEACTIVATED")
