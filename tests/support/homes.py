"""Fixtures: a homeserver with people on it, for the tests that go through the client-server API."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.config.model import Config
from tests.support.databases import Databases
from tests.support.homeserver import Home
from tests.support.in_process import open_config
from tests.support.stores import ENGINES, schema_template


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A homeserver on SQLite."""
    async with Home(open_config(tmp_path, None)) as running:
        yield running


@pytest.fixture
async def timed_home(tmp_path: Path) -> AsyncIterator[tuple[Home, FakeClock]]:
    """A homeserver on SQLite whose time passes only when the test says so."""
    clock = FakeClock()
    async with Home(open_config(tmp_path, None), clock) as running:
        yield running, clock


@pytest.fixture(params=ENGINES)
def either_config(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[Config]:
    """An open configuration over an empty database on each engine."""
    if request.param == "sqlite":
        yield open_config(tmp_path, None)
        return
    with postgres.database(schema_template(postgres)) as url:
        yield open_config(tmp_path, url)


@pytest.fixture
async def either_home(either_config: Config) -> AsyncIterator[Home]:
    """A homeserver on each engine."""
    async with Home(either_config) as running:
        yield running
