"""A real store, a clock that the test moves, and names that come out the same each time."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.ids import Ids
from oriz_matrix.storage.database import Database
from tests.support.databases import Databases
from tests.support.stores import new_dialect, running


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def ids() -> Ids:
    """Random names from a seed."""
    return Ids(random.Random(1))


@pytest.fixture
async def database(tmp_path: Path, postgres: Databases) -> AsyncIterator[Database]:
    """An empty database; which engine it is on is a matter of storage's own tests."""
    with new_dialect("sqlite", tmp_path, postgres) as dialect:
        async with running(dialect) as started:
            yield started
