"""Several people of a server come into a peer's room at once, and the peer goes on from their joins at that moment."""

import asyncio
from typing import Any

import pytest

from tests.plays.stage import Stage
from tests.support import soak
from tests.support.peer import answers
from tests.support.peer.peer import Asked, Peer

NAMES = ("lice", "my", "dam")
ROUNDS = 12
SECONDS_TO_TAKE_IT = 0.5
"""How long whoever would take an event too early has for it."""


@pytest.mark.parametrize("letter", ["a", "b"])
async def test_everybody_who_came_in_is_in(stage: Stage, zoe: Peer, letter: str) -> None:
    source = soak.random_source()
    people = await stage.people(*(letter + name for name in NAMES))
    for _ in range(ROUNDS):
        room = zoe.host("11", "zoe")
        sent: list[asyncio.Task[Any]] = []

        async def go_on(delay: float) -> None:
            await asyncio.sleep(delay)
            await zoe.send(people[0].at, room.say(zoe.user("zoe"), "all of you"))  # noqa: B023

        async def answer(peer: Peer, asked: Asked) -> Any:
            said = await answers.send_join(peer, asked)
            if sum(1 for user in people if room.current("m.room.member", user.id)) == len(people):  # noqa: B023
                sent.append(asyncio.create_task(go_on(source.uniform(0, 0.05))))  # noqa: B023
            return said

        zoe.instead["send_join"] = answer
        await asyncio.gather(*(person.join(room.room_id, via=[zoe.name]) for person in people))
        await asyncio.gather(*sent)
        if not sent:  # who found the room here already did not come in through the peer
            await go_on(0)
        await people[0].hears(room.room_id, "all of you")
        members = await people[0].members(room.room_id)
        assert {person.id: members.get(person.id) for person in people} == {person.id: "join" for person in people}


@pytest.mark.parametrize("letter", ["a", "b"])
async def test_what_stands_upon_a_join_may_come_before_the_answer_to_it(stage: Stage, zoe: Peer, letter: str) -> None:
    alice = await stage.person(f"{letter}lice")
    room = zoe.host("11", "zoe")

    async def late(peer: Peer, asked: Asked) -> Any:
        said = await answers.send_join(peer, asked)
        await zoe.send(alice.at, room.say(zoe.user("zoe"), "welcome"))
        await asyncio.sleep(SECONDS_TO_TAKE_IT)
        return said

    zoe.instead["send_join"] = late
    await alice.join(room.room_id, via=[zoe.name])
    await alice.hears(room.room_id, "welcome")
    assert (await alice.members(room.room_id))[alice.id] == "join"
