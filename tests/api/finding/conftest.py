"""A homeserver on each engine that talks with others, and two others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from oriz_matrix.base.config.model import Config
from tests.support.homes import either_config
from tests.support.homeserver import Home
from tests.support.other_server import OtherServer
from tests.support.outside import Outside, outside

__all__ = ["either_config"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    """DNS, an authority, and servers as they are needed."""
    async with outside(tmp_path) as made:
        yield made


@pytest.fixture
async def home(either_config: Config, world: Outside) -> AsyncIterator[Home]:
    """Our server."""
    settings = world.settings(denied_servers=("denied.test",), connect_seconds=2)
    async with Home(replace(either_config, federation=settings)) as running:
        yield running


@pytest.fixture
async def them(home: Home, world: Outside) -> OtherServer:
    """Another server."""
    return OtherServer(home, await world.server("127.0.0.1"))


@pytest.fixture
async def others(home: Home, world: Outside) -> OtherServer:
    """A further one."""
    return OtherServer(home, await world.server("127.0.0.1"))
