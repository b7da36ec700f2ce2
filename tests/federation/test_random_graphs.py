"""Random room graphs, delivered by pieces and in any order: what a homeserver makes of them is what the rules say.

Each play has a homeserver of its own and a clock that stands still, so a seed gives the same play again.
"""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.federation import Federation
from oriz_matrix.base.config.model import Config
from oriz_matrix.services.federation_in import receive
from tests.support import soak
from tests.support.databases import Databases
from tests.support.graphs.others import NAMES
from tests.support.graphs.play import Play
from tests.support.graphs.twins import Twins
from tests.support.homeserver import Home
from tests.support.in_process import open_config
from tests.support.stores import ENGINES, schema_template

VERSIONS = ("1", "2", "6", "10", "11", "12")
STEPS = 16
QUICK_SECONDS = 2.0


@contextmanager
def new_config(engine: str, folder: Path, postgres: Databases) -> Iterator[Config]:
    """An open configuration over an empty database."""
    folder.mkdir()
    if engine == "sqlite":
        yield replace(open_config(folder, None), federation=Federation(enabled=True))
        return
    with postgres.database(schema_template(postgres)) as url:
        yield replace(open_config(folder, url), federation=Federation(enabled=True))


@contextmanager
def two_configs(folder: Path, postgres: Databases) -> Iterator[list[Config]]:
    """Those of two servers, one on each engine."""
    with new_config("sqlite", folder / "a", postgres) as one, new_config("postgres", folder / "b", postgres) as other:
        yield [one, replace(other, server_name="elsewhere.test")]


async def play(config: Config, seed: int, version: str) -> None:
    """One play on a homeserver."""
    clock = FakeClock()
    async with Home(config, clock) as home:
        game = Play(home, clock, seed, version)
        with game.others.connected():
            await game.begin(await home.user("alice"), await home.user("bob"))
            game.others.trouble = game.dice.choice((0.0, 0.1, 0.4))
            game.others.reserved = game.dice.random() < 0.5
            game.others.useless = game.dice.choice((None, NAMES[2]))
            for step in range(STEPS):
                await game.step()
                if await game.is_over():
                    return
                if step % 4 == 3:
                    await game.check()
            await game.end()


async def hear_in_two_orders(configs: Sequence[Config], seed: int, version: str) -> None:
    """Two homeservers hear of the same."""
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        homes = [await stack.enter_async_context(Home(config, clock)) for config in configs]
        twins = Twins(homes, clock, seed, version)
        with twins.others.connected(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(receive, "MANY_ENDS", 1000)  # else they would join ends themselves
            await twins.begin()
            await twins.hear()
            await twins.check()


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_order_of_arrival_does_not_matter(version: str, tmp_path: Path, postgres: Databases) -> None:
    with two_configs(tmp_path, postgres) as configs:
        await hear_in_two_orders(configs, 1, version)


@pytest.mark.soak
async def test_no_order_of_arrival_matters(tmp_path: Path, postgres: Databases) -> None:
    for seed in soak.seeds(QUICK_SECONDS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with soak.told(seed), two_configs(folder, postgres) as configs:
            await hear_in_two_orders(configs, seed, VERSIONS[seed % len(VERSIONS)])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_random_graph(engine: str, version: str, tmp_path: Path, postgres: Databases) -> None:
    with new_config(engine, tmp_path / "a", postgres) as config:
        await play(config, 1, version)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
async def test_many_random_graphs(engine: str, tmp_path: Path, postgres: Databases) -> None:
    for seed in soak.seeds(QUICK_SECONDS):
        with soak.told(seed), new_config(engine, tmp_path / str(seed), postgres) as config:
            await play(config, seed, VERSIONS[seed % len(VERSIONS)])
