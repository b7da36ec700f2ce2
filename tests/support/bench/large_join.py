"""How long a join of a very large room takes, and how long others wait meanwhile: `python -m
tests.support.bench.large_join [--members 10000] [--engine sqlite] [--others 4]`.

A scripted peer holds the room. While the user joins, others send messages in a room of their own, one after the other;
with `--others 0` nobody does. Prints one line of JSON: seconds until the peer had the whole answer to the join ready,
and until the user was answered, with the process's seconds of CPU until then and up to how many milliseconds late its
event loop ran in 99 of 100 cases; and of the messages p50, p99 and the worst in milliseconds, beside the join and
before it.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from aiohttp import ClientSession, web

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.events import Event
from tests.plays.person import Person
from tests.support.nodes import gauges
from tests.support.nodes.authority import Authority
from tests.support.nodes.network import Network
from tests.support.nodes.node import NodeDoor, World
from tests.support.nodes.oriz import OrizNode
from tests.support.peer.answers import OPERATIONS
from tests.support.peer.peer import Asked, Peer, peer
from tests.support.peer.room import PeerRoom
from tests.support.postgres import temporary_cluster

QUIET_SECONDS = 3.0


class _Large:
    """A room whose members are not kept as states of a graph, which would fill the memory of this process."""

    def __init__(self, host: Peer, members: int) -> None:
        self.room: PeerRoom = host.host("11", "zoe")
        founding = [self.room.known[i] for i in self.room.state().values()]
        self.members = [self._member(host.user(f"user{number}"), founding) for number in range(members)]
        self.state = encode([event.pdu for event in (*founding, *self.members)])
        self.told_at = 0.0

    def _member(self, user: str, founding: list[Event]) -> Event:
        head = self.room.heads
        event = self.room.make(user, "m.room.member", {"membership": "join", "displayname": user}, user, keep=False)
        self.room.heads = head
        return event

    async def send_join(self, _peer: Peer, asked: Asked) -> Any:
        """The answer to the join; the state is encoded before, for it would hold up those who measure."""
        head = {"auth_chain": [], "event": asked.body, "origin": self.room.server}
        answer = b'%b,"state":%b}' % (encode(head)[:-1], self.state)
        self.told_at = time.perf_counter()
        return web.Response(body=answer, content_type="application/json")


@contextmanager
def _node(engine: str, folder: Path) -> Iterator[tuple[OrizNode, Authority]]:
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        world = World(folder, network, Authority(folder / "authority"))
        url = None
        if engine == "postgres":
            cluster = stack.enter_context(temporary_cluster(durable=True))
            url = cluster.url()
        node = OrizNode(world, "a", "127.0.0.1", url, {"logging": {"level": "warning"}})
        node.launch()
        node.wait()
        stack.callback(node.kill)
        yield node, world.authority


async def _play(node: OrizNode, authority: Authority, members: int, talkers: int) -> dict[str, float]:
    async with ClientSession() as http, peer(authority, OPERATIONS, "127.0.0.9") as zoe:
        large = _Large(zoe, members)
        zoe.instead["send_join"] = large.send_join
        door = NodeDoor(node, http)
        joiner, *others = [Person(door, await door.register(f"user{number}")) for number in range(talkers + 1)]
        rooms = [await other.create_room() for other in others]
        over = asyncio.Event()
        before = [asyncio.create_task(_talk(other, room, over)) for other, room in zip(others, rooms, strict=True)]
        await asyncio.sleep(QUIET_SECONDS)
        over.set()
        quiet = [ms for task in before for ms in await task]
        over.clear()
        beside = [asyncio.create_task(_talk(other, room, over)) for other, room in zip(others, rooms, strict=True)]
        lags, cpu = await gauges.lags(node), await gauges.cpu_seconds(node)
        started = time.perf_counter()
        await joiner.join(large.room.room_id, via=[zoe.name])
        figures = {"members": members, "told_s": large.told_at - started, "join_s": time.perf_counter() - started}
        figures["cpu_s"] = await gauges.cpu_seconds(node) - cpu
        figures["loop_lag_p99_ms"] = 1000 * gauges.quantile(lags, await gauges.lags(node), 0.99)
        over.set()
        waits = [ms for task in beside for ms in await task]
        found = await joiner.in_room(large.room.room_id, "GET", "joined_members")
        assert len(found["joined"]) == members + 2
        figures |= {**_shown("quiet", quiet), **_shown("beside", waits)}
        return {what: round(figure, 3) for what, figure in figures.items()}


def _shown(name: str, waits: list[float]) -> dict[str, float]:
    if not waits:
        return {}
    figures = {
        "messages": len(waits),
        "p50_ms": median(waits),
        "p99_ms": quantiles(waits, n=100)[98],
        "worst_ms": max(waits),
    }
    return {f"{name}_{what}": figure for what, figure in figures.items()}


async def _talk(person: Person, room: str, over: asyncio.Event) -> list[float]:
    waits = []
    while not over.is_set():
        started = time.perf_counter()
        await person.say(room, "a word")
        waits.append((time.perf_counter() - started) * 1000)
    return waits


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--others", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _node(options.engine, Path(folder)) as (node, authority):
        print(json.dumps(asyncio.run(_play(node, authority, options.members, options.others))))


if __name__ == "__main__":
    main()
