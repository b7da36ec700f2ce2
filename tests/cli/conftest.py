"""Fixtures: configurations in files, over databases that are not made yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oriz_matrix.base.config.model import Config
from tests.cli.commands import write
from tests.support.databases import Databases
from tests.support.in_process import open_config
from tests.support.stores import ENGINES


@pytest.fixture(params=ENGINES)
def config(request: pytest.FixtureRequest, tmp_path: Path, postgres: Databases) -> Iterator[Config]:
    """A configuration over a database that is not made yet."""
    if request.param == "sqlite":
        yield write(tmp_path, open_config(tmp_path / "data", None))
        return
    with postgres.database() as url:
        yield write(tmp_path, open_config(tmp_path / "data", url))


@pytest.fixture
def local(tmp_path: Path) -> Config:
    """The same on SQLite alone, for what has nothing to do with the engine."""
    return write(tmp_path, open_config(tmp_path / "data", None))
