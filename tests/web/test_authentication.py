"""Tokens, guests, administrators, and rate limits."""

import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.limits import RATE_KINDS, Rate
from oriz_matrix.protocol.errors import LimitExceeded
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import AdminCall, Call, OptionalUserCall, UserCall
from oriz_matrix.web.endpoint import ADMIN, CLIENT_V3, Auth
from oriz_matrix.web.limits import Limit, Limits
from tests.web.serving import ALICE, Server, Setting, Start

BASE = "/_matrix/client/v3"


@endpoint.get("/whoami", versions=CLIENT_V3, auth=Auth.USER, guests=True)
async def whoami(call: UserCall) -> dict[str, str]:
    return {"user_id": call.requester.user_id, "token": call.access_token, "repr": repr(call)}


@endpoint.post("/createRoom", versions=CLIENT_V3, auth=Auth.USER)
async def create_room(call: UserCall) -> dict[str, str]:
    return {"by": call.requester.user_id}


@endpoint.post("/logout", versions=CLIENT_V3, auth=Auth.USER, locked=True)
async def logout(call: UserCall) -> dict[str, str]:
    return {"by": call.requester.user_id}


@endpoint.get("/profile", versions=CLIENT_V3, auth=Auth.OPTIONAL_USER)
async def profile(call: OptionalUserCall) -> dict[str, str | None]:
    return {"by": None if call.requester is None else call.requester.user_id}


@endpoint.get("/_synapse/admin/v1/users", auth=Auth.ADMIN, surface=ADMIN)
async def users(call: AdminCall) -> dict[str, str]:
    return {"by": call.requester.user_id}


@endpoint.post("/login", versions=CLIENT_V3, auth=Auth.NONE, limit=Limit.LOGIN)
async def login(_call: Call) -> dict[str, str]:
    return {}


@endpoint.put("/send", versions=CLIENT_V3, auth=Auth.USER, limit=Limit.MESSAGES)
async def send(_call: UserCall) -> dict[str, str]:
    return {}


@pytest.fixture
async def server(start: Start) -> Server:
    return await start(whoami, create_room, logout, profile, users)


async def ask(server: Server, method: str, path: str, token: str | None = None) -> tuple[int, str | None]:
    """Status and errcode."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = await server.client.request(method, path, headers=headers)
    return answer.status, (await answer.json()).get("errcode")


@pytest.mark.parametrize(
    ("method", "path", "token", "expected"),
    [
        ("GET", f"{BASE}/whoami", "alice", (200, None)),
        ("GET", f"{BASE}/whoami", None, (401, "M_MISSING_TOKEN")),
        ("GET", f"{BASE}/whoami", "", (401, "M_MISSING_TOKEN")),
        ("GET", f"{BASE}/whoami", "mallory", (401, "M_UNKNOWN_TOKEN")),
        ("GET", f"{BASE}/whoami", "guest", (200, None)),
        ("POST", f"{BASE}/createRoom", "guest", (403, "M_GUEST_ACCESS_FORBIDDEN")),
        ("POST", f"{BASE}/createRoom", "locked", (401, "M_USER_LOCKED")),
        ("POST", f"{BASE}/logout", "locked", (200, None)),
        ("GET", f"{BASE}/profile", None, (200, None)),
        ("GET", f"{BASE}/profile", "alice", (200, None)),
        ("GET", f"{BASE}/profile", "mallory", (401, "M_UNKNOWN_TOKEN")),
        ("GET", "/_synapse/admin/v1/users", "alice", (403, "M_FORBIDDEN")),
        ("GET", "/_synapse/admin/v1/users", "admin", (200, None)),
    ],
)
async def test_who_may_call_what(
    server: Server, method: str, path: str, token: str | None, expected: tuple[int, str | None]
) -> None:
    assert await ask(server, method, path, token) == expected


async def test_the_call_knows_the_requester_and_does_not_print_the_token(server: Server) -> None:
    answer = await server.client.get(f"{BASE}/whoami", headers={"Authorization": "bearer alice"})
    body = await answer.json()
    assert (body["user_id"], body["token"]) == ("@alice:example.org", "alice")
    assert "alice" not in body["repr"]


async def test_a_token_in_the_query_can_be_switched_off(start: Start, server: Server) -> None:
    path = f"{BASE}/whoami?other=1&access_token=alice"
    assert await ask(server, "GET", path) == (200, None)
    strict = await start(whoami, setting=Setting(token_in_query=False))
    assert await ask(strict, "GET", path) == (401, "M_MISSING_TOKEN")


async def test_too_many_requests_are_told_to_wait(start: Start) -> None:
    server = await start(
        login,
        send,
        setting=Setting(rates={"login": Rate(per_second=0.5, burst=2), "messages": Rate(per_second=1, burst=1)}),
    )
    assert [await ask(server, "POST", f"{BASE}/login") for _ in range(3)] == [
        (200, None),
        (200, None),
        (429, "M_LIMIT_EXCEEDED"),
    ]
    answer = await server.client.post(f"{BASE}/login")
    assert (answer.headers["Retry-After"], (await answer.json())["retry_after_ms"]) == ("2", 2000)
    assert [(await ask(server, "PUT", f"{BASE}/send", user))[0] for user in ("alice", "alice", "bob")] == [
        200,
        429,
        200,
    ]
    assert [(await ask(server, "PUT", f"{BASE}/send", "bridge"))[0] for _ in range(3)] == [200] * 3


async def test_a_bucket_refills_with_time() -> None:
    clock = FakeClock()
    limits = Limits({"messages": Rate(per_second=2, burst=3)}, clock)
    for _ in range(3):
        limits.take(Limit.MESSAGES, "", ALICE)
    with pytest.raises(LimitExceeded) as refusal:
        limits.take(Limit.MESSAGES, "", ALICE)
    assert refusal.value.extra == {"retry_after_ms": 500}
    await clock.advance(0.5)
    limits.take(Limit.MESSAGES, "", ALICE)
    with pytest.raises(LimitExceeded):
        limits.take(Limit.MESSAGES, "", ALICE)


async def test_the_counters_are_bounded_and_the_newest_stay() -> None:
    limits = Limits({"login": Rate(per_second=1, burst=1)}, FakeClock(), capacity=100)
    for number in range(1000):
        limits.take(Limit.LOGIN, f"10.0.0.{number}")
    assert len(limits._full_at) <= 100
    with pytest.raises(LimitExceeded):
        limits.take(Limit.LOGIN, "10.0.0.999")


def test_every_kind_of_limit_has_its_option() -> None:
    assert {limit.value for limit in Limit} == set(RATE_KINDS)
