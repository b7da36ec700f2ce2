"""Fixtures that the plays between servers share: the world in which the servers of one test process live."""

from collections.abc import Iterator

import pytest

from tests.support.nodes.authority import Authority
from tests.support.nodes.network import Network
from tests.support.nodes.node import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world of this process's servers."""
    folder = tmp_path_factory.mktemp("world")
    with Network() as network:
        yield World(folder, network, Authority(folder / "authority"))
