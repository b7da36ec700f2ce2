"""A homeserver on each engine that talks with others, and another server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from oriz_matrix.base.config.model import Config
from tests.api.encryption.elsewhere import Elsewhere
from tests.support.homes import either_config
from tests.support.homeserver import Home
from tests.support.outside import Outside, outside

__all__ = ["either_config"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as made:
        yield made


@pytest.fixture
async def home(either_config: Config, world: Outside) -> AsyncIterator[Home]:
    """The homeserver."""
    async with Home(replace(either_config, federation=world.settings())) as running:
        yield running


@pytest.fixture
async def elsewhere(home: Home, world: Outside) -> Elsewhere:
    """The other server."""
    return await Elsewhere.start(home, world)
