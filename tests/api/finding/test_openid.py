"""Tokens by which users prove to others who they are."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.federation import Federation
from oriz_matrix.base.config.model import Config
from tests.support.homeserver import Home, refused
from tests.support.in_process import SERVER_NAME, Answer

USERINFO = "/_matrix/federation/v1/openid/userinfo"


@pytest.fixture
async def timed(either_config: Config) -> AsyncIterator[tuple[Home, FakeClock]]:
    clock = FakeClock()
    async with Home(replace(either_config, federation=Federation(enabled=True)), clock) as running:
        yield running, clock


async def info(home: Home, token: str) -> Answer:
    return await home.server.ask("GET", f"{USERINFO}?access_token={token}")


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_a_token_tells_who_made_it(timed: tuple[Home, FakeClock], version: str) -> None:
    home, clock = timed
    alice, bob = await home.users("alice", "bob")
    path = f"/{version}/user/{alice.id}/openid/request_token"
    made = await alice.request("POST", path, {})
    token = made.pop("access_token")
    assert made == {"expires_in": 3600, "matrix_server_name": SERVER_NAME, "token_type": "Bearer"}
    other = (await alice.request("POST", path, {}))["access_token"]
    assert other != token
    assert await info(home, token) == Answer(200, {"sub": alice.id})
    with refused(403, "M_FORBIDDEN", "userId"):
        await bob.request("POST", path, {})
    await clock.advance(3600)
    for unknown in (token, other, "x", alice.token, "%00"):
        answer = await info(home, unknown)
        assert answer.status in (400, 401)
        assert answer.body["errcode"] == ("M_INVALID_PARAM" if unknown == "%00" else "M_UNKNOWN_TOKEN")
    fresh = (await alice.request("POST", path, {}))["access_token"]
    assert await info(home, fresh) == Answer(200, {"sub": alice.id})


async def test_it_opens_nothing_else(home: Home) -> None:
    alice = await home.user("alice")
    token = (await alice.request("POST", f"/v3/user/{alice.id}/openid/request_token", {}))["access_token"]
    answer = await home.server.ask("GET", "/v3/sync", by=token)
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    missing = await home.server.ask("GET", USERINFO)
    assert (missing.status, missing.body["errcode"]) == (401, "M_MISSING_TOKEN")
