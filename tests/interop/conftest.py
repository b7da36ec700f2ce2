"""One Oriz and one Synapse, started when the first play wants them; without a Synapse the plays are skipped.

A machine that must not skip them says so by `ORIZ_TEST_INTEROP=required`. `ORIZ_TEST_PAIRS=synapse-synapse` tries the
plays themselves; `ORIZ_TEST_SYNAPSE` names another environment than `.venv-synapse`.
"""

import os
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from tests.plays.stage import Stage, on_stage
from tests.support.nodes import synapse
from tests.support.nodes.fixtures import world
from tests.support.nodes.node import Node, World
from tests.support.nodes.oriz import OrizNode
from tests.support.nodes.synapse import SynapseNode

__all__ = ["world"]

KINDS: dict[str, type[Node]] = {"oriz": OrizNode, "synapse": SynapseNode}


class Pool:
    """The servers that were wanted so far: each of a make is started once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hosts = count(1)
        self.nodes: dict[str, Node] = {}

    def pair(self, kinds: list[str]) -> dict[str, Node]:
        """Two servers of these makes, "a" and "b"; they run."""
        names = [f"{kind}-{kinds[:place].count(kind)}" for place, kind in enumerate(kinds)]
        for name, kind in zip(names, kinds, strict=True):
            if name not in self.nodes:
                self.nodes[name] = KINDS[kind](self._world, name, f"127.0.0.{next(self._hosts)}")
                self.nodes[name].launch()
        for name in names:
            self.nodes[name].wait()
        return {letter: self.nodes[name] for letter, name in zip("ab", names, strict=True)}


@pytest.fixture(scope="session")
def pool(world: World) -> Iterator[Pool]:
    """The servers of this process."""
    if not synapse.installed() and os.environ.get("ORIZ_TEST_INTEROP") != "required":
        pytest.skip("Synapse is not installed: tests/interop/requirements.txt tells how")
    made = Pool(world)
    yield made
    for node in made.nodes.values():
        node.line.heal()
        node.stop()


@pytest.fixture
async def stage(pool: Pool, pair: str, version: str) -> AsyncIterator[Stage]:
    """Two servers, the first of which is where Alice lives; a test has the parameters `pair` and `version`."""
    async with on_stage(pool.pair(pair.split("-")), version) as stage:
        yield stage
