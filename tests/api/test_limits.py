"""Limits of the whole server: whom rates hit, when, and what those are told; how long a page may be."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.limits import Limits, Rate, Rates
from tests.support.in_process import Homeserver, Person, homeserver, open_config

SLOW = Rate(per_second=0.1, burst=3)


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Homeserver]:
    """A server whose clock stands still, with the default rates but for messages and logins."""
    rates = Rates(messages=SLOW, login=SLOW, exempt_users=("@bot:example.org",))
    config = msgspec.structs.replace(open_config(tmp_path, None), limits=Limits(rates=rates))
    async with homeserver(config, FakeClock()) as running:
        yield running


async def new_room(server: Homeserver, by: Person) -> str:
    """A room of one's own."""
    answer = await server.ask("POST", "/v3/createRoom", {}, by=by)
    room_id: str = answer.body["room_id"]
    return room_id


async def statuses(server: Homeserver, path: str, by: Person, count: int) -> list[int]:
    """How this many messages are answered."""
    body = {"msgtype": "m.text", "body": "again"}
    return [(await server.ask("PUT", f"{path}/{by.device_id}{number}", body, by=by)).status for number in range(count)]


async def login(server: Homeserver, name: str) -> int:
    """How a login is answered."""
    body = {"type": "m.login.password", "user": name, "password": "a good password"}
    return (await server.ask("POST", "/v3/login", body)).status


async def test_who_sends_too_much_is_told_when_to_come_again(limited: Homeserver) -> None:
    alice = await limited.person("alice")
    path = f"/v3/rooms/{await new_room(limited, alice)}/send/m.room.message"
    assert await statuses(limited, path, alice, 3) == [200] * 3
    headers = {"Authorization": f"Bearer {alice.token}"}
    async with limited.http.put(f"/_matrix/client{path}/more", data=b"{}", headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "10")
        answer = await response.json()
    assert (answer["errcode"], answer["retry_after_ms"]) == ("M_LIMIT_EXCEEDED", 10_000)


async def test_whom_the_operator_exempts_has_no_limit(limited: Homeserver) -> None:
    bot = await limited.person("bot")
    path = f"/v3/rooms/{await new_room(limited, bot)}/send/m.room.message"
    assert await statuses(limited, path, bot, 20) == [200] * 20


async def test_messages_count_by_user_and_logins_by_address(limited: Homeserver) -> None:
    alice = await limited.person("alice")
    room = await new_room(limited, alice)
    assert [await login(limited, name) for name in ("alice", "bob", "carol", "alice")] == [200, 403, 403, 429]
    path = f"/v3/rooms/{room}/send/m.room.message"
    assert await statuses(limited, path, alice, 2) == [200] * 2
    answer = await limited.ask("POST", "/v3/createRoom", {}, by=alice)
    other = f"/v3/rooms/{answer.body['room_id']}/send/m.room.message"
    assert await statuses(limited, other, alice, 2) == [200, 429]


async def test_a_client_that_starts_is_not_limited(limited: Homeserver) -> None:
    """Everything at once, and more of it than the clients in use ask for (about sixty requests)."""
    alice = await limited.person("alice")
    room = await new_room(limited, alice)
    message = (await limited.ask("PUT", f"/v3/rooms/{room}/send/m.room.message/1", {}, by=alice)).body["event_id"]
    for _ in range(40):
        for path in ("/versions", "/v3/account/whoami", "/v3/capabilities", "/v3/pushrules/", "/v3/joined_rooms"):
            assert (await limited.ask("GET", path, by=alice)).status == 200
    for _ in range(100):
        receipt = f"/v3/rooms/{room}/receipt/m.read/{message}"
        assert (await limited.ask("POST", receipt, {}, by=alice)).status == 200


async def test_a_page_is_as_long_as_the_operator_allows(tmp_path: Path) -> None:
    open_to_all = open_config(tmp_path, None)
    limits = msgspec.structs.replace(open_to_all.limits, event_page=4)
    async with homeserver(msgspec.structs.replace(open_to_all, limits=limits)) as server:
        alice = await server.person("alice")
        path = f"/v3/rooms/{await new_room(server, alice)}/messages?dir=b&limit=100"
        seen, end = 0, ""
        while True:
            page = (await server.ask("GET", path + end, by=alice)).body
            seen += len(page["chunk"])
            if "end" not in page:
                break
            assert len(page["chunk"]) == 4
            end = f"&from={page['end']}"
        everything = (await server.ask("GET", path.replace("messages?dir=b&limit=100", "state"), by=alice)).body
        assert seen == len(everything)
