"""The server that the client plays are given on: one process for each engine, kept for all plays.

`ORIZ_TEST_URL=https://matrix.example.org pytest tests/clients` gives the same plays on another server.
"""

from collections.abc import Iterator

import pytest

from tests.support.server_process import server_process, servers_to_test


@pytest.fixture(scope="session", params=servers_to_test())
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL that one types into a client."""
    engine: str = request.param
    with server_process(engine, tmp_path_factory.mktemp("clients") / engine) as server:
        yield server.url
