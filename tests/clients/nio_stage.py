"""The people of the plays with matrix-nio, and the room that they share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import nio

from tests.clients.nio_person import Person

R = TypeVar("R")


@asynccontextmanager
async def people(url: str, *names: str) -> AsyncIterator[list[Person]]:
    """Persons of these names: registered, logged in, and listening; afterwards they leave, however the play went."""
    async with AsyncExitStack() as stage:
        persons = [Person(url, name) for name in names]
        for person in persons:
            stage.push_async_callback(person.leaves_the_stage)
            await person.registers()
            await person.logs_in()
            person.listens()
        yield persons


@asynccontextmanager
async def two_people(url: str) -> AsyncIterator[tuple[Person, Person]]:
    """Alice and Bob."""
    async with people(url, "alice", "bob") as (alice, bob):
        yield alice, bob


@asynccontextmanager
async def another_device(person: Person) -> AsyncIterator[Person]:
    """The same person at a second device, which does not listen yet."""
    other = Person(person.client.homeserver, "other")
    other.name = other.client.user = person.name
    try:
        await other.logs_in()
        yield other
    finally:
        await other.leaves_the_stage()


async def share_a_room(alice: Person, *others: Person) -> str:
    """Alice makes a room, and the others join it by her invitation."""
    room = await alice.creates_room(name="The garden", invite=tuple(other.id for other in others))
    for other in others:
        await _comes_in(alice, room, other)
    return room


async def _comes_in(alice: Person, room: str, other: Person) -> None:
    await other.sees(lambda: room in other.client.invited_rooms, "the invitation")
    await other.joins(room)
    await alice.sees(lambda: is_member(alice, room, other), f"{other.name} come in")


def is_member(watcher: Person, room: str, person: Person) -> bool:
    """Whether the watcher's client holds that person for a member."""
    return room in watcher.client.rooms and person.id in watcher.client.rooms[room].users


def granted(answer: object, kind: type[R]) -> R:
    """The answer of a request, which must have succeeded."""
    assert isinstance(answer, kind), answer
    return answer


def refused(answer: object) -> str:
    """The errcode with which a request was refused."""
    assert isinstance(answer, nio.ErrorResponse), answer
    return str(answer.status_code)
