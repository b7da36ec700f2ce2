"""What another server gets that was away for long: the newest event of each room, from which it asks its way back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.model import Config
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import publish
from tests.api.federation.neighbour import KEY, Neighbour
from tests.support.homeserver import Home, eventually
from tests.support.outside import Stranger, outside

TWO_HOURS_S = 7_200


class Taking(dict[str, Any]):
    """Answers of a server that takes every transaction once it `is_there`; what it was sent, by transaction."""

    def __init__(self) -> None:
        self.is_there = False
        self.sent: list[list[str]] = []

    def get(self, path: str, default: Any = None) -> Any:
        return self._take if "/send/" in path else super().get(path, default)

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.is_there:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "Away"}, status=503)
        pdus = msgspec.json.decode(await request.read())["pdus"]
        self.sent.append([pdu["content"]["body"] for pdu in pdus])
        return web.json_response({"pdus": {}})


@pytest.fixture
async def away(either_config: Config, tmp_path: Path) -> AsyncIterator[tuple[Home, FakeClock, Neighbour, Taking]]:
    """A homeserver whose time stands still, and another one that does not answer."""
    clock = FakeClock()
    async with outside(tmp_path) as world:
        stranger: Stranger = await world.server("127.0.0.1")
        taking = Taking()
        stranger.answers = taking
        name = ServerName(f"127.0.0.1:{stranger.port}")
        taking["/_matrix/key/v2/server"] = publish(name, KEY, {}, clock.now_ms() + 24 * TWO_HOURS_S * 1000)
        async with Home(replace(either_config, federation=world.settings()), clock) as home:
            yield home, clock, Neighbour(home, name), taking


async def comes_back(them: Neighbour, taking: Taking) -> None:
    """The other server answers, and asks something, so that it is heard of; it gets what waits."""
    taking.is_there = True

    async def has_all() -> bool:
        await them.get("/event/%24unknown")
        return bool(taking.sent) and "newest" in taking.sent[-1]

    await eventually(has_all)


async def has_failed(them: Neighbour) -> bool:
    """Whether it is written down that the other server does not answer."""
    sql = "SELECT failing_since FROM destinations WHERE server = :server"
    return await them.db.read(lambda tx: tx.value(sql, server=them.name)) is not None


async def only_two_wait(them: Neighbour) -> bool:
    """Whether all but two events were given up; the other server asks something, so that it is tried."""
    await them.get("/event/%24unknown")
    sql = "SELECT count(*) FROM outbox WHERE destination = :server"
    count: int = await them.db.read(lambda tx: tx.value(sql, server=them.name))
    return count == 2


async def test_trap_31_after_a_long_silence_the_newest_event_of_each_room_is_sent(
    away: tuple[Home, FakeClock, Neighbour, Taking],
) -> None:
    home, clock, them, taking = away
    alice = await home.user("alice")
    rooms = [await alice.create_room(preset="public_chat") for _ in range(2)]
    for room in rooms:
        await them.move(room, "join")
    await alice.say(rooms[0], "first")
    await eventually(lambda: has_failed(them))
    for number in range(5):
        for room, name in zip(rooms, "ab", strict=True):
            await alice.say(room, f"{name}{number}")
    await alice.say(rooms[0], "newest")
    await clock.advance(TWO_HOURS_S)
    await eventually(lambda: only_two_wait(them))
    await comes_back(them, taking)
    assert taking.sent[0] == ["first"]
    assert [text for sent in taking.sent[1:] for text in sent] == ["b4", "newest"]


async def test_after_a_short_silence_everything_is_sent(away: tuple[Home, FakeClock, Neighbour, Taking]) -> None:
    home, clock, them, taking = away
    alice = await home.user("alice")
    room = await alice.create_room(preset="public_chat")
    await them.move(room, "join")
    await alice.say(room, "first")
    await eventually(lambda: has_failed(them))
    said = [await alice.say(room, str(number)) and str(number) for number in range(5)]
    await alice.say(room, "newest")
    await clock.advance(TWO_HOURS_S / 4)
    await comes_back(them, taking)
    assert [text for sent in taking.sent for text in sent] == ["first", *said, "newest"]
