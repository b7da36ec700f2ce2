"""A homeserver on each engine that talks with others, and another server that asks it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import publish
from tests.api.federation.neighbour import KEY, Neighbour
from tests.support.homes import either_config
from tests.support.homeserver import Home
from tests.support.outside import outside

__all__ = ["either_config", "neighbour"]


@pytest.fixture
async def neighbour(either_config: Config, tmp_path: Path) -> AsyncIterator[Neighbour]:
    """A server whose signatures are good; its `home` is the homeserver that it asks."""
    async with outside(tmp_path) as world:
        them = await world.server("127.0.0.1")
        name = ServerName(f"127.0.0.1:{them.port}")
        them.answers["/_matrix/key/v2/server"] = publish(name, KEY, {}, Clock().now_ms() + 3_600_000)
        async with Home(replace(either_config, federation=world.settings())) as home:
            yield Neighbour(home, name)
