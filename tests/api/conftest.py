"""A homeserver on each engine."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from oriz_matrix.base.config.model import Config
from tests.support.databases import Databases
from tests.support.in_process import Homeserver, homeserver, open_config
from tests.support.stores import ENGINES, schema_template


@pytest.fixture(params=ENGINES)
def config(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[Config]:
    """A configuration with everything open, over an empty database."""
    if request.param == "sqlite":
        yield open_config(tmp_path, None)
        return
    with postgres.database(schema_template(postgres)) as url:
        yield open_config(tmp_path, url)


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Homeserver]:
    """A running homeserver."""
    async with homeserver(config) as running:
        yield running
