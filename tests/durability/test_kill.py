"""Kill -9 at any moment: what was answered 200 is there, in order and once, and nothing is half written.

A server process is killed under load several times, on PostgreSQL the database too, each as durable as in production.
ORIZ_SOAK_MINUTES makes it long.
"""

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.durability.victim import Follower, Person, Told, Victim, open_http
from tests.support import soak
from tests.support.stores import ENGINES

PEOPLE = 4
NORMAL_SECONDS = 7.0


async def disturb(victim: Victim, until: float, source: random.Random) -> int:
    """Kills one or the other now and then; how many times."""
    kills = 0
    while time.monotonic() < until - 1:
        await asyncio.sleep(0.4 + source.random() * 1.2)
        if victim.cluster is not None and kills % 3 == 1:
            await asyncio.to_thread(victim.crash_database)
        else:
            await asyncio.to_thread(victim.kill_server)
        kills += 1
    return kills


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
async def test_what_was_acknowledged_is_there_in_order_and_once(engine: str, tmp_path: Path) -> None:
    source, told = soak.random_source(), Told()
    with Victim(engine, tmp_path / "server") as victim:
        async with open_http(victim) as http:
            people = [Person(http, told, f"p{number}") for number in range(PEOPLE)]
            follower = Follower(http, told, "follower")
            for person in (follower, *people):
                await person.register()
            levels = {"state_default": 0}
            made = await follower.ask(
                "POST", "/createRoom", {"preset": "public_chat", "power_level_content_override": levels}
            )
            room: str = made["room_id"]
            for person in people:
                await person.ask("POST", f"/join/{room}", {})
            await follower.sync(room)
            until = time.monotonic() + soak.seconds(NORMAL_SECONDS)
            disturbing = asyncio.create_task(disturb(victim, until, source))
            talks = [person.talk(room, until, random.Random(source.random())) for person in people]
            await asyncio.gather(disturbing, follower.follow(room, until), *talks)
            while await follower.sync(room):
                pass
            history = await follower.history(room)
            state = await follower.ask("GET", f"/rooms/{room}/state")
    check(told, history, follower)
    check_state(history, state)
    kills = disturbing.result()
    print(f"{kills} kills, {len(told.said)} events, {told.asked_again} requests repeated")
    assert kills >= 3
    assert len(told.said) > 30


def check(told: Told, history: list[dict[str, object]], follower: Follower) -> None:
    """Nothing is lost, doubled or out of order, in /messages and in what a syncing client has seen."""
    ids = [str(event["event_id"]) for event in history]
    assert len(set(ids)) == len(ids)
    assert follower.seen == ids
    place = {event_id: number for number, event_id in enumerate(ids)}
    for person, acknowledged in told.by_person.items():
        places = [place.get(event_id, -1) for event_id in acknowledged]
        assert -1 not in places, f"lost: {[told.said[e] for e, p in zip(acknowledged, places, strict=True) if p < 0]}"
        assert places == sorted(places), person
    texts = [text(event) for event in history if text(event)]
    assert len(set(texts)) == len(texts), "the same was sent twice"
    by_id = {event["event_id"]: text(event) for event in history}
    assert {event_id: by_id[event_id] for event_id in told.said} == told.said


def text(event: dict[str, object]) -> object:
    """What an event said."""
    content = event["content"]
    assert isinstance(content, dict)
    return content.get("body")


def check_state(history: list[dict[str, object]], state: list[dict[str, object]]) -> None:
    """The state is what the history says: the newest event under each key."""
    newest = {(event["type"], event["state_key"]): event["event_id"] for event in history if "state_key" in event}
    assert {(event["type"], event["state_key"]): event["event_id"] for event in state} == newest
