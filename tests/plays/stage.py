"""Where a play is given: its servers, the people on them, and the room version of its rooms."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from tests.plays.person import PATIENCE_S, Person
from tests.support.nodes.node import Node, NodeDoor
from tests.support.people import Json

LETTERS = "abc"
ANSWER_SECONDS = 60


class Stage:
    """People are called by names whose first letter tells their server: Alice's is the first, Bob's the second."""

    def __init__(self, nodes: Mapping[str, Node], http: ClientSession, version: str) -> None:
        self.nodes = nodes
        self.version = version
        self._http = http
        self._doors = {letter: NodeDoor(node, http) for letter, node in nodes.items()}
        self.play = secrets.token_hex(4)

    def door(self, letter: str) -> NodeDoor:
        """The way in to a server, for requests that no person makes."""
        return self._doors[letter]

    def cut(self) -> None:
        """Resets every connection between the servers, and lets no new one be made."""
        for node in self.nodes.values():
            node.line.cut()

    def swallow(self) -> None:
        """Lets the connections between the servers hang."""
        for node in self.nodes.values():
            node.line.swallow()

    def heal(self) -> None:
        """Lets the servers talk again."""
        for node in self.nodes.values():
            node.line.heal()

    async def kill(self, letter: str) -> None:
        """Ends a server at once."""
        await asyncio.to_thread(self.nodes[letter].kill)

    async def start(self, letter: str) -> None:
        """Starts a server that was killed, on its data."""
        await asyncio.to_thread(self.nodes[letter].start)

    async def restart(self, letter: str) -> None:
        """Lets a server end in good order, and starts it again."""
        await asyncio.to_thread(self.nodes[letter].stop)
        await self.start(letter)

    async def federation(self, letter: str, path: str) -> Json:
        """What a server tells other servers without a signature; through its line, with its certificate checked."""
        node = self.nodes[letter]
        trust = ssl.create_default_context(cafile=node.authority.file)
        async with self._http.get(f"https://{node.name}{path}", ssl=trust) as response:
            answer: Json = await response.json()
        return answer

    async def person(self, name: str) -> Person:
        """Somebody new."""
        door = self._doors[name[0]]
        return Person(door, await door.register(f"{name}-{self.play}"))

    async def people(self, *names: str) -> list[Person]:
        """Several people."""
        return list(await asyncio.gather(*(self.person(name) for name in names)))

    async def public_room(self, founder: Person, **body: Any) -> str:
        """A room of this play's version that everybody may join."""
        return await founder.create_room(preset="public_chat", room_version=self.version, **body)

    async def private_room(self, founder: Person, **body: Any) -> str:
        """A room of this play's version for those who are invited."""
        return await founder.create_room(preset="private_chat", room_version=self.version, **body)

    async def shared_room(self, founder: Person, *others: Person, **body: Any) -> str:
        """A public room that all have joined, and the founder has seen it."""
        room = await self.public_room(founder, **body)
        for other in others:
            await other.join(room, via=[founder.at])
            await founder.sees_member(room, other, "join")
            await other.sees_section(room, "join")
        return room


@asynccontextmanager
async def on_stage(nodes: Mapping[str, Node], version: str) -> AsyncIterator[Stage]:
    """The stage of one play."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=ANSWER_SECONDS)))
        for node in nodes.values():
            stack.push_async_callback(asyncio.to_thread, node.mend)
        yield Stage(nodes, http, version)


async def agree(room_id: str, *people: Person) -> dict[tuple[str, str], Json]:
    """Waits until the servers of these people hold the same state of the room; the state."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                states = [await person.whole_state(room_id) for person in people]
                ids = [{key: event["event_id"] for key, event in state.items()} for state in states]
                if all(each == ids[0] for each in ids):
                    return states[0]
                await asyncio.sleep(0.1)
    except TimeoutError:
        different = {key for each in ids for key in each if any(other.get(key) != each[key] for other in ids)}
        said = {key: [(p.at, state.get(key)) for p, state in zip(people, states, strict=True)] for key in different}
        raise AssertionError(f"the servers do not agree: {said}") from None
