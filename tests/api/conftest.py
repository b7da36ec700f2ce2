"""A homeserver on each engine."""

from collections.abc import AsyncIterator

import pytest

from oriz_matrix.base.config.model import Config
from tests.support.homes import either_config as config
from tests.support.in_process import Homeserver, homeserver

__all__ = ["config", "server"]


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Homeserver]:
    """A running homeserver."""
    async with homeserver(config) as running:
        yield running
