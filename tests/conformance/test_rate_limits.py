"""Which endpoints are rate-limited, against `rate_limited.tsv`: those that the specification names, and ours.

The file has all endpoints of the client-server API whose section says "Rate-limited: Yes", built or not, and those
that this server limits because each call costs much and leaves something for ever. Whatever else is declared has no
limit, so that nobody adds one in passing.
"""

import csv
from pathlib import Path

import pytest

from oriz_matrix.web.endpoint import Endpoint
from oriz_matrix.web.limits import Limit
from tests.conformance.declarations import all_endpoints, title
from tests.conformance.test_table import key

LIMITED = Path(__file__).parent / "rate_limited.tsv"


def limited() -> dict[tuple[str, str], str]:
    """(method, path) → by whom it is limited, as the file has them."""
    with LIMITED.open(encoding="utf-8", newline="") as file:
        return {(row["method"], row["path"]): row["by"] for row in csv.DictReader(file, delimiter="\t")}


def plain_key(endpoint: Endpoint) -> tuple[str, str]:
    """Method and path, an optional parameter like any other."""
    method, path = key(endpoint)
    return method, path.replace("{?}", "{}")


@pytest.mark.parametrize("endpoint", all_endpoints(), ids=title)
def test_exactly_what_the_file_names_is_limited(endpoint: Endpoint) -> None:
    assert (endpoint.limit is not None) == (plain_key(endpoint) in limited())


def test_what_we_limit_ourselves_is_there() -> None:
    declared = {plain_key(endpoint) for endpoint in all_endpoints()}
    assert {where for where, by in limited().items() if by == "ours"} <= declared


def test_every_kind_of_limit_is_used() -> None:
    assert {endpoint.limit for endpoint in all_endpoints()} >= set(Limit)
