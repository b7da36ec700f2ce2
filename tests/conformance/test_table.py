"""The declared endpoints against `expected.tsv`, which says what there must be: method, path, versions, credentials.

A row that is missing in the server, and one that has another version or other credentials, fails. The file is written
by hand from the specification; it is not generated from the server.
"""

import csv
import re
from pathlib import Path

import pytest

from oriz_matrix.web.endpoint import Endpoint
from tests.conformance.declarations import all_endpoints, title

EXPECTED = Path(__file__).parent / "expected.tsv"

Key = tuple[str, str]
Facts = tuple[str, str]


def expected() -> dict[Key, Facts]:
    """(method, path) → (versions, auth), as the file has them."""
    with EXPECTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {(row["method"], row["path"]): (row["versions"], row["auth"]) for row in rows}


def key(endpoint: Endpoint) -> Key:
    """Method and path, without the names of the parameters, which are nobody's business."""
    version = "/{version}" if endpoint.versions else ""
    path = re.sub(r"\{\w+", "{", endpoint.path)
    return endpoint.method, endpoint.surface.prefix + version + path


def facts(endpoint: Endpoint) -> Facts:
    """The versions in their order, and the credentials."""
    return " ".join(endpoint.versions) or "-", endpoint.auth.value


@pytest.mark.parametrize("wanted", expected(), ids=" ".join)
def test_what_is_specified_is_declared(wanted: Key) -> None:
    """Each row of the file has its endpoint, with these versions and these credentials."""
    declared = {key(endpoint): facts(endpoint) for endpoint in all_endpoints()}
    assert declared.get(wanted) == expected()[wanted]


@pytest.mark.parametrize("endpoint", all_endpoints(), ids=title)
def test_what_is_declared_is_specified(endpoint: Endpoint) -> None:
    """No endpoint without a row."""
    assert key(endpoint) in expected()


def test_no_endpoint_is_declared_twice() -> None:
    """Not even under other names of its parameters."""
    keys = [key(endpoint) for endpoint in all_endpoints()]
    assert len(set(keys)) == len(keys)
