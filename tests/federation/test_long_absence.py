"""A server that was away while thousands of events were sent: all of them are there afterwards, each once, in order."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support import soak
from tests.support.nodes import gauges
from tests.support.nodes.offline import let_silence_last
from tests.support.nodes.oriz import OrizNode
from tests.support.peer.peer import Peer
from tests.support.peer.sharing import shared
from tests.support.people import RoomUpdate, ids

pytestmark = pytest.mark.soak

QUICKLY_SAID, QUICKLY_SENT = 250, 1_000
MOST = 10_000
PART = 50
SPEAKERS = 24
HOUR_MS = 3600 * 1000
SOON_S = 20.0
SLOWEST = 50
"""Events a second that are waited for, beyond that."""
MOST_GROWTH_MIB = 100.0
MOST_LAG_S = 0.25


def many(quick: int) -> int:
    """How many events are sent meanwhile; `./dev soak` takes 200 for each second that it has, up to 10,000."""
    return min(MOST, soak.times(quick, quick / 200))


async def talk(room_id: str, person: Person, count: int) -> None:
    """Sends so many messages, as fast as the server takes them."""
    numbers = iter(range(count))

    async def speak() -> None:
        for number in numbers:
            await person.say(room_id, f"number {number}")

    await asyncio.gather(*(speak() for _ in range(SPEAKERS)))


@asynccontextmanager
async def at_ease(node: OrizNode, what: str, count: int) -> AsyncIterator[None]:
    """The server stays responsive and small meanwhile; prints how fast it was."""
    memory, lags = await gauges.memory_mib(node), await gauges.lags(node)
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    growth = await gauges.memory_mib(node) - memory
    lag = gauges.quantile(lags, await gauges.lags(node), 0.99)
    print(f"{what}: {count / seconds:.0f} a second, memory {growth:+.0f} MiB, loop lag p99 {lag * 1000:.0f} ms")
    assert growth < MOST_GROWTH_MIB
    assert lag <= MOST_LAG_S


async def arrives(person: Person, room_id: str, event_id: str, count: int) -> RoomUpdate:
    """Syncs until an event has come; the newest answer with a hole before its events, and those that came later."""
    newest = RoomUpdate(None)
    async with asyncio.timeout(SOON_S + count / SLOWEST):
        while event_id not in ids(newest.timeline):
            update = (await person.sync(timeout=2_000)).joined(room_id)
            if update.limited:
                newest = update
            else:
                newest.timeline += update.timeline
    return newest


@pytest.fixture(params=["ab", "ba"])
def letters(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Who goes on, and who is away: on each engine."""
    there, away = request.param
    return there, away


@pytest.mark.parametrize("hours", [0, 2])
async def test_all_that_was_said_meanwhile_is_there(
    stage: Stage, two: dict[str, OrizNode], letters: tuple[str, str], hours: int
) -> None:
    """After minutes all of it is sent; after hours the newest event of the room, and the rest is asked for."""
    there, away = letters
    alice, bob = await stage.people(f"{there}lice", f"{away}ob")
    room = await stage.shared_room(alice, bob)
    await bob.sync()
    await stage.kill(away)
    count = many(QUICKLY_SAID)
    await talk(room, alice, count)
    said = ids(await alice.history(room, limit=100))
    assert len(said) == len(set(said)) > count
    await asyncio.to_thread(two[there].stop)
    if hours:
        await asyncio.to_thread(let_silence_last, two[there], two[away].name, hours * HOUR_MS)
    await stage.start(away)
    await stage.start(there)
    async with at_ease(two[away], f"{away} takes what {there} says after {hours} hours", len(said)):
        came = await arrives(bob, room, said[0], len(said))
        if hours:
            assert came.limited
            shown = ids(came.timeline)
            assert said[: len(shown)] == shown[::-1]
            older = ids(await bob.history(room, limit=100, from_=came.prev_batch))
            assert shown[::-1] + older == said
        assert ids(await bob.history(room, limit=100)) == said


async def test_what_a_peer_sends_after_its_absence_is_taken_in_order(
    stage: Stage, two: dict[str, OrizNode], zoe: Peer, letters: tuple[str, str]
) -> None:
    there, _ = letters
    scene = await shared(stage, there, zoe)
    events = [scene.room.say(zoe.user("zoe"), f"number {number}") for number in range(many(QUICKLY_SENT))]
    async with at_ease(two[there], f"{there} takes transactions of {PART} events", len(events)):
        for start in range(0, len(events), PART):
            part = events[start : start + PART]
            assert await zoe.send(scene.alice.at, *part) == {event.event_id: {} for event in part}
        await arrives(scene.alice, scene.room.room_id, events[-1].event_id, len(events))
    told = ids(await scene.alice.history(scene.room.room_id, limit=100))
    assert told[: len(events)] == [event.event_id for event in reversed(events)]
