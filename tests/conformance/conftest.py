"""The server that hostile input is sent to: one process for each engine, which has to survive all of it.

`ORIZ_TEST_URL` names another server, as in tests/clients; what is tried there is still what Oriz declares.
"""

from collections.abc import Iterator

import pytest

from tests.conformance.stage import prove_alive
from tests.support.server_process import server_process, servers_to_test


@pytest.fixture(scope="session", params=servers_to_test())
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's URL; after the last test it is asked once more to serve people."""
    engine: str = request.param
    with server_process(engine, tmp_path_factory.mktemp("conformance") / engine) as server:
        yield server.url
        prove_alive(server.url)
