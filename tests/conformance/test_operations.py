"""The declared endpoints against `operations.tsv`, which was written from the specification and not from the server.

An endpoint without a row fails, and one whose older versions, credentials or rate limit are not those of its row: so
nobody adds a limit in passing, or forgets one.
"""

import pytest

from oriz_matrix.web.endpoint import Endpoint
from oriz_matrix.web.limits import Limit
from tests.conformance.declarations import all_endpoints, title
from tests.conformance.operations import Key, Operation, declaration, key, operations


def rows() -> dict[Key, Operation]:
    """The row that tells how each address is declared."""
    return {each.key: each for each in operations() if each.is_first}


@pytest.mark.parametrize("endpoint", all_endpoints(), ids=title)
def test_what_is_declared_is_as_specified(endpoint: Endpoint) -> None:
    assert key(endpoint) in rows()
    assert declaration(endpoint) == rows()[key(endpoint)].declaration


def test_clients_have_166_operations_at_164_addresses() -> None:
    """Version 1.19: two operations share POST /rooms/{roomId}/invite, and two GET /events."""
    specified = [each for each in operations() if each.api == "client-server"]
    assert (len(specified), len({each.key for each in specified})) == (166, 164)


def test_where_we_differ_is_built() -> None:
    """Nothing is said of endpoints that are not there."""
    declared = {key(endpoint) for endpoint in all_endpoints()}
    assert [each.path for each in operations() if each.ours != "-" and each.key not in declared] == []


def test_no_endpoint_is_declared_twice() -> None:
    """Not even under other names of its parameters."""
    keys = [key(endpoint) for endpoint in all_endpoints()]
    assert len(set(keys)) == len(keys)


def test_every_kind_of_limit_is_used() -> None:
    assert {endpoint.limit for endpoint in all_endpoints()} >= set(Limit)
