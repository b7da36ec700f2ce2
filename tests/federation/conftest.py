"""The servers of the plays: started when the first play wants them, kept for all plays of this process."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.plays.stage import Stage, on_stage
from tests.support.databases import Databases
from tests.support.nodes.fixtures import world
from tests.support.nodes.node import World
from tests.support.nodes.oriz import OrizNode
from tests.support.peer.answers import OPERATIONS
from tests.support.peer.peer import Peer, peer
from tests.support.stores import schema_template

__all__ = ["world"]

VERSION = "12"


@pytest.fixture(scope="session")
def two(world: World, postgres: Databases) -> Iterator[dict[str, OrizNode]]:
    """Two servers, "a" on SQLite and "b" on PostgreSQL; each has a host of its own, so that ACLs tell them apart."""
    with postgres.database(schema_template(postgres)) as url:
        nodes = {
            "a": OrizNode(world, "a", "127.0.0.1"),
            "b": OrizNode(world, "b", "127.0.0.2", url),
        }
        yield from _running(nodes)


@pytest.fixture(scope="session")
def third(world: World) -> Iterator[dict[str, OrizNode]]:
    """A third server, "c"."""
    yield from _running({"c": OrizNode(world, "c", "127.0.0.3")})


@pytest.fixture
async def stage(two: dict[str, OrizNode]) -> AsyncIterator[Stage]:
    """Two servers, in the newest room version."""
    async with on_stage(two, VERSION) as stage:
        yield stage


@pytest.fixture
async def wide_stage(two: dict[str, OrizNode], third: dict[str, OrizNode]) -> AsyncIterator[Stage]:
    """Three servers."""
    async with on_stage({**two, **third}, VERSION) as stage:
        yield stage


@pytest.fixture
async def zoe(world: World) -> AsyncIterator[Peer]:
    """A scripted peer."""
    async with peer(world.authority, OPERATIONS, "127.0.0.9") as running:
        yield running


def _running(nodes: dict[str, OrizNode]) -> Iterator[dict[str, OrizNode]]:
    try:
        for node in nodes.values():
            node.launch()
        for node in nodes.values():
            node.wait()
        yield nodes
    finally:
        for node in nodes.values():
            node.line.heal()
            node.stop()
