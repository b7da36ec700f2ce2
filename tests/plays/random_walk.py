"""People on several servers do what they like while the network is cut and servers are killed; afterwards all agree.

What they do never depends on what others do at the same time, so whatever was acknowledged must be there in the end, on
every server, and the servers must hold the same state. The order is each server's own.
"""

import asyncio
import random
from contextlib import suppress
from typing import NamedTuple

from aiohttp import ClientError

from tests.plays.person import Person
from tests.plays.stage import Stage, agree
from tests.support.people import Refused, texts

SETTLES_S = 90.0
PAUSES_S = (0.05, 0.6)


class Told(NamedTuple):
    """What was acknowledged: texts, and the last state under each state key."""

    said: list[str]
    shelves: dict[str, str]


async def walk(stage: Stage, source: random.Random, seconds: float, mortal: str) -> None:
    """Goes on for a time; the servers of the letters `mortal` may be killed."""
    turn = source.randrange(10**9)
    people = await stage.people(*(f"{letter}{number}-{turn}" for letter in stage.nodes for number in "12"))
    room = await stage.shared_room(*people, power_level_content_override={"state_default": 0})
    told = Told([], {})
    ended = asyncio.Event()
    talks = [asyncio.create_task(_act(person, room, random.Random(source.random()), told, ended)) for person in people]
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        await _disturb(stage, source, mortal)
    ended.set()
    await asyncio.gather(*talks)
    await asyncio.gather(*(asyncio.to_thread(node.mend) for node in stage.nodes.values()))
    for person in people:
        await _insist(person, room, f"{person.id} at the end", told)
    print(f"{len(told.said)} texts, {len(told.shelves)} shelves")
    await _check(room, people, told)


async def _check(room: str, people: list[Person], told: Told) -> None:
    at_each = list({person.at: person for person in people}.values())
    async with asyncio.timeout(SETTLES_S):
        for person in at_each:
            while missing := set(told.said) - set(heard := texts(await person.history(room, limit=500))):
                assert len(missing) < len(told.said), f"{person.at} has nothing"
                await asyncio.sleep(0.5)
            assert len(heard) == len(set(heard)), "the same came twice"
    state = await agree(room, *at_each)
    shelves = {key: event["content"]["text"] for (kind, key), event in state.items() if kind == "org.example.shelf"}
    assert {key: shelves.get(key) for key in told.shelves} == told.shelves


async def _act(person: Person, room: str, source: random.Random, told: Told, ended: asyncio.Event) -> None:
    number = 0
    while not ended.is_set():
        number += 1
        text = f"{person.id} {number}"
        # Whether a request that failed was carried out is not known; only what was acknowledged is counted.
        with suppress(Refused, ClientError, OSError, TimeoutError):
            if source.random() < 0.8:
                await person.say(room, text)
                told.said.append(text)
            else:
                told.shelves.pop(person.id, None)
                await person.set_state(room, "org.example.shelf", {"text": text}, person.id)
                told.shelves[person.id] = text
        await asyncio.sleep(source.uniform(0.02, 0.15))


async def _insist(person: Person, room: str, text: str, told: Told) -> None:
    async with asyncio.timeout(SETTLES_S):
        while text not in told.said:
            with suppress(Refused, ClientError, OSError):
                await person.say(room, text, f"insist-{text}")
                told.said.append(text)


async def _disturb(stage: Stage, source: random.Random, mortal: str) -> None:
    letter = source.choice(sorted(stage.nodes))
    line = stage.nodes[letter].line
    how = source.choice(["cut", "cut", "swallow", "kill", "nothing"])
    if how == "kill" and letter in mortal:
        await stage.kill(letter)
        await asyncio.sleep(source.uniform(*PAUSES_S))
        await stage.start(letter)
    elif how in ("cut", "swallow"):
        line.cut() if how == "cut" else line.swallow()
        await asyncio.sleep(source.uniform(*PAUSES_S))
        line.heal()
    await asyncio.sleep(source.uniform(*PAUSES_S))
