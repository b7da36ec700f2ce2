"""A database on each engine: every test of storage runs on both."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect
from tests.support.databases import Databases
from tests.support.stores import ENGINES, new_dialect, running


@pytest.fixture(params=ENGINES)
def dialect(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[Dialect]:
    """An empty database with the whole schema; its threads are not started."""
    with new_dialect(request.param, tmp_path, postgres) as made:
        yield made


@pytest.fixture
async def database(dialect: Dialect) -> AsyncIterator[Database]:
    """An empty database with the whole schema."""
    async with running(dialect) as started:
        yield started
