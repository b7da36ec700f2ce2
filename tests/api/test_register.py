"""Registering: users by interactive authentication, guests, and whoever knows the shared secret."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from oriz_matrix.base.config.accounts import Registration
from oriz_matrix.base.config.model import Config
from tests.support.in_process import REGISTER_BY_SECRET, Answer, Homeserver, homeserver, signed

DUMMY = {"type": "m.login.dummy"}
ALICE = {"username": "alice", "password": "a good password"}


async def register(server: Homeserver, **body: Any) -> Answer:
    """POST /register."""
    return await server.ask("POST", "/v3/register", body)


async def test_a_user_registers_in_two_steps(server: Homeserver) -> None:
    first = await register(server, **ALICE)
    assert first.status == 401
    assert first.body.keys() == {"flows", "params", "session"}
    assert first.body["flows"] == [{"stages": ["m.login.dummy"]}]
    second = await register(server, **ALICE, auth={**DUMMY, "session": first.body["session"]})
    assert second.status == 200
    assert second.body["user_id"] == "@alice:example.org"
    assert second.body["home_server"] == "example.org"
    who = await server.ask("GET", "/v3/account/whoami", by=second.body["access_token"])
    assert who.body == {"user_id": "@alice:example.org", "device_id": second.body["device_id"]}


async def test_the_second_request_may_hold_nothing_but_auth(server: Homeserver) -> None:
    first = await register(server, **ALICE, device_id="PHONE")
    second = await register(server, auth={**DUMMY, "session": first.body["session"]})
    assert (second.status, second.body["device_id"]) == (200, "PHONE")
    login = {"type": "m.login.password", "user": "alice", "password": "a good password"}
    assert (await server.ask("POST", "/v3/login", login)).status == 200


async def test_a_client_may_ask_for_the_flows_first(server: Homeserver) -> None:
    first = await server.ask("POST", "/r0/register")
    assert first.status == 401
    second = await register(server, **ALICE, auth={**DUMMY, "session": first.body["session"]})
    assert second.status == 200


async def test_a_client_may_know_the_flow_already(server: Homeserver) -> None:
    assert (await register(server, **ALICE, auth=DUMMY)).status == 200


async def test_a_user_without_a_name_gets_one(server: Homeserver) -> None:
    made = [await register(server, password="a good password", auth=DUMMY) for _ in range(3)]
    assert len({answer.body["user_id"] for answer in made}) == 3


async def test_login_can_be_left_out(server: Homeserver) -> None:
    made = await register(server, **ALICE, inhibit_login=True, auth=DUMMY)
    assert made.body == {"user_id": "@alice:example.org", "home_server": "example.org"}


async def test_capitals_become_small_letters(server: Homeserver) -> None:
    assert (await register(server, username="Alice", password="a good password", auth=DUMMY)).status == 200
    assert (await register(server, **ALICE)).body["errcode"] == "M_USER_IN_USE"


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"username": "al ice"}, "M_INVALID_USERNAME"),
        ({"username": ""}, "M_INVALID_USERNAME"),
        ({"username": "@alice:example.org"}, "M_INVALID_USERNAME"),
        ({"username": "x" * 250}, "M_INVALID_USERNAME"),
        ({"password": "short"}, "M_WEAK_PASSWORD"),
        ({"password": "x" * 1000}, "M_INVALID_PARAM"),
        ({"device_id": ""}, "M_INVALID_PARAM"),
        ({"device_id": "x" * 5000}, "M_INVALID_PARAM"),
        ({"username": 5}, "M_BAD_JSON"),
        ({"auth": {"session": 5}}, "M_BAD_JSON"),
        ({"auth": []}, "M_BAD_JSON"),
    ],
)
async def test_what_is_wrong_is_told_at_once(server: Homeserver, change: dict[str, Any], errcode: str) -> None:
    answer = await register(server, **{**ALICE, **change})
    assert (answer.status, answer.body["errcode"]) == (400, errcode)


async def test_a_password_is_needed_in_the_end(server: Homeserver) -> None:
    answer = await register(server, username="alice", auth=DUMMY)
    assert (answer.status, answer.body["errcode"]) == (400, "M_MISSING_PARAM")


async def test_a_name_is_given_to_one_of_many(server: Homeserver) -> None:
    answers = await asyncio.gather(*(register(server, **ALICE, auth=DUMMY) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 5


async def test_a_session_makes_one_account(server: Homeserver) -> None:
    first = await register(server, password="a good password")
    auth = {**DUMMY, "session": first.body["session"]}
    answers = await asyncio.gather(*(register(server, password="a good password", auth=auth) for _ in range(4)))
    assert len({answer.body["user_id"] for answer in answers if answer.status == 200}) == 1


async def test_a_request_whose_answer_was_lost_may_be_repeated(server: Homeserver) -> None:
    for wish in (ALICE, {"password": "a good password"}):
        first = await register(server, **wish)
        auth = {**DUMMY, "session": first.body["session"]}
        made = await register(server, **wish, auth=auth)
        for body in (wish, {}):
            again = await register(server, **body, auth=auth)
            assert (again.status, again.body["user_id"]) == (200, made.body["user_id"])
            who = await server.ask("GET", "/v3/account/whoami", by=again.body["access_token"])
            assert who.body["user_id"] == made.body["user_id"]
        other = await register(server, username="mallory", password="a good password", auth=auth)
        assert (other.status, other.body["errcode"]) == (401, "M_FORBIDDEN")


async def test_unknown_stages_and_sessions_lead_back_to_the_beginning(server: Homeserver) -> None:
    for auth in ({"type": "m.login.password"}, {**DUMMY, "session": "unknown"}):
        answer = await register(server, **ALICE, auth=auth)
        assert (answer.status, answer.body["errcode"]) == (401, "M_FORBIDDEN")
        assert answer.body["flows"] == [{"stages": ["m.login.dummy"]}]
        again = {**DUMMY, "session": answer.body["session"]}
        assert (await register(server, auth=again, username=f"u{len(auth)}", password="a good password")).status == 200


async def test_guests_have_a_device_and_little_else(server: Homeserver) -> None:
    made = await server.ask("POST", "/v3/register?kind=guest", {"username": "ignored", "device_id": "IGNORED"})
    assert made.status == 200
    assert "ignored" not in made.body["user_id"]
    assert made.body["device_id"] != "IGNORED"
    who = await server.ask("GET", "/v3/account/whoami", by=made.body["access_token"])
    assert who.body["is_guest"] is True
    profile = await server.ask("GET", f"/v3/profile/{who.body['user_id']}")
    assert profile.body["displayname"] == who.body["user_id"][1:].partition(":")[0]
    refused = await server.ask("GET", "/v3/capabilities", by=made.body["access_token"])
    assert (refused.status, refused.body["errcode"]) == (403, "M_GUEST_ACCESS_FORBIDDEN")
    assert (await server.ask("POST", "/v3/register?kind=admin", {})).status == 400


async def test_a_guest_becomes_a_user_and_keeps_what_they_have(server: Homeserver) -> None:
    guest = (await server.ask("POST", "/v3/register?kind=guest", {})).body
    wish = {"username": guest["user_id"][1:].partition(":")[0], "password": "a good password"}
    first = await register(server, **wish, guest_access_token=guest["access_token"])
    assert first.status == 401
    made = await register(server, auth={**DUMMY, "session": first.body["session"]})
    assert (made.status, made.body["user_id"]) == (200, guest["user_id"])
    for token in (guest["access_token"], made.body["access_token"]):
        who = await server.ask("GET", "/v3/account/whoami", by=token)
        assert (who.body["user_id"], who.body.get("is_guest", False)) == (guest["user_id"], False)
    login = {"type": "m.login.password", "user": wish["username"], "password": wish["password"]}
    assert (await server.ask("POST", "/v3/login", login)).status == 200
    again = await register(server, **wish, auth=DUMMY, guest_access_token=guest["access_token"])
    assert (again.status, again.body["errcode"]) == (403, "M_FORBIDDEN")


async def test_nobody_takes_an_account_with_a_token_that_is_not_its_guests(server: Homeserver) -> None:
    guest, other = [(await server.ask("POST", "/v3/register?kind=guest", {})).body for _ in range(2)]
    alice = await server.person("alice")
    name = guest["user_id"][1:].partition(":")[0]
    for username, token in (
        (name, other["access_token"]),
        (name, "nonsense"),
        ("alice", alice.token),
        ("somebody", guest["access_token"]),
    ):
        wish = {"username": username, "password": "a good password", "guest_access_token": token}
        answer = await register(server, **wish, auth=DUMMY)
        assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
        assert "guest_access_token" in answer.body["error"]
    nameless = await register(server, password="a good password", auth=DUMMY, guest_access_token=guest["access_token"])
    assert (nameless.status, nameless.body["errcode"]) == (400, "M_MISSING_PARAM")


async def test_where_registration_is_closed_only_the_secret_opens(config: Config) -> None:
    closed = replace(config, registration=Registration(shared_secret=config.registration.shared_secret))
    async with homeserver(closed) as server:
        for path in ("/v3/register", "/v3/register?kind=guest"):
            answer = await server.ask("POST", path, ALICE)
            assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
        assert (await server.person("alice")).user_id == "@alice:example.org"
    async with homeserver(replace(config, registration=Registration())) as server:
        assert (await server.ask("GET", REGISTER_BY_SECRET)).status == 400
        assert (await server.ask("POST", REGISTER_BY_SECRET, signed({**ALICE, "nonce": "x"}))).status == 400


async def nonce(server: Homeserver) -> str:
    """GET /_synapse/admin/v1/register."""
    given: str = (await server.ask("GET", REGISTER_BY_SECRET)).body["nonce"]
    return given


async def test_the_secret_makes_users_of_every_kind(server: Homeserver) -> None:
    kinds: list[dict[str, Any]] = [{}, {"admin": True}, {"user_type": "bot"}, {"displayname": "Ünïcode"}]
    for number, more in enumerate(kinds):
        body = signed({**more, "nonce": await nonce(server), "username": f"u{number}", "password": "x"})
        answer = await server.ask("POST", REGISTER_BY_SECRET, body)
        assert answer.status == 200
        assert answer.body["user_id"] == f"@u{number}:example.org"
        assert (await server.ask("GET", "/v3/account/whoami", by=answer.body["access_token"])).status == 200


async def test_a_nonce_is_good_for_one_try(server: Homeserver) -> None:
    given = await nonce(server)
    wrong = await server.ask("POST", REGISTER_BY_SECRET, signed({**ALICE, "nonce": given}, "another secret"))
    assert (wrong.status, wrong.body["errcode"]) == (403, "M_FORBIDDEN")
    right = signed({**ALICE, "nonce": given})
    assert (await server.ask("POST", REGISTER_BY_SECRET, right)).status == 400
    promoted = {**signed({**ALICE, "nonce": await nonce(server)}), "admin": True}
    assert (await server.ask("POST", REGISTER_BY_SECRET, promoted)).status == 403
    strange = signed({**ALICE, "nonce": await nonce(server), "user_type": "strange"})
    assert (await server.ask("POST", REGISTER_BY_SECRET, strange)).status == 400
