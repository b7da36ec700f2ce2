"""Whatever comes in: a Matrix error of the 4xx kind or a success, within ten seconds, and the server goes on.

The endpoints are those that are declared, the input that of `hostile.py`: both grow without an edit here. Client-server
API, "Standard error response" and "CORS".
"""

from http.client import HTTPException

import pytest

from oriz_matrix.web.endpoint import Auth, Endpoint
from tests.conformance.cases import Case, Cases
from tests.conformance.declarations import all_endpoints, newest_path, title
from tests.conformance.exchange import Answer, Request, exchange, fault
from tests.conformance.stage import Stage, prove_alive, set_stage

ENDPOINTS = all_endpoints()
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=title)
def test_hostile_input_gets_a_matrix_error(server_url: str, endpoint: Endpoint) -> None:
    """All faults of one endpoint are told at once."""
    stage = set_stage(server_url)
    faults = []
    for case in Cases(endpoint, stage).all():
        found = _fault(server_url, case, cors=endpoint.surface.cors, stage=stage)
        if found is not None:
            faults.append(f"{case.description}: {found}")
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:40])
    prove_alive(server_url)


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.auth in (Auth.USER, Auth.ADMIN)], ids=title)
def test_bad_credentials_open_nothing(server_url: str, endpoint: Endpoint) -> None:
    """401 and one of the two codes, before anything else is looked at. Client-server API, "Using access tokens"."""
    for case in Cases(endpoint, set_stage(server_url)).tokens():
        answer = exchange(server_url, case.request)
        assert answer.status == 401, f"{case.description}: {answer.status} {answer.body[:200]!r}"
        assert _errcode(answer) in {"M_MISSING_TOKEN", "M_UNKNOWN_TOKEN"}, case.description


@pytest.mark.parametrize("path", sorted({newest_path(each) for each in ENDPOINTS}))
def test_another_method_is_not_recognized(server_url: str, path: str) -> None:
    """405 M_UNRECOGNIZED for a method that the path does not have; OPTIONS is for browsers and runs nothing."""
    known = {each.method for each in ENDPOINTS if newest_path(each) == path}
    target = path.replace("{", "").replace("?}", "").replace("}", "")
    for method in set(METHODS) - known:
        answer = exchange(server_url, Request(method, target))
        assert (answer.status, _errcode(answer)) == (405, "M_UNRECOGNIZED"), method
        assert fault(answer, cors=True) is None
    preflight = exchange(server_url, Request("OPTIONS", target))
    assert preflight.status in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert known <= {method.strip() for method in preflight.headers["access-control-allow-methods"].split(",")}


@pytest.mark.parametrize(
    "target",
    [
        "/_matrix",
        "/_matrix/client/v3/nothing",
        "/_matrix/client/v99/sync",
        "/_matrix/client/v3/sync/more",
        "/_matrix/%FF",
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_is_not_recognized(server_url: str, method: str, target: str) -> None:
    """404 M_UNRECOGNIZED, also with a body that nobody will read."""
    answer = exchange(server_url, Request(method, target, b"{"))
    assert (answer.status, _errcode(answer)) == (404, "M_UNRECOGNIZED")
    assert fault(answer, cors=True) is None


def _fault(url: str, case: Case, *, cors: bool, stage: Stage) -> str | None:
    """What is wrong with the answer, or that there was none; a session that the request ended is renewed."""
    request = case.request
    try:
        answer = exchange(url, request)
    except (OSError, HTTPException) as error:
        return f"no answer: {error!r}"
    if request.headers.get("Authorization") == stage.alice.authorization and _session_ended(url, request, answer):
        stage.alice.renew()
    return fault(answer, cors=cors) or _fault_of_complaint(answer, case.field)


def _fault_of_complaint(answer: Answer, field: str) -> str | None:
    """Who sent a wrong body is told which field it is."""
    if answer.status != 400 or _errcode(answer) not in {"M_BAD_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM"}:
        return None
    return None if field in answer.body.decode() else f"the error does not name the field: {answer.body[:200]!r}"


def _session_ended(url: str, request: Request, answer: Answer) -> bool:
    """Only a request that succeeded can have ended it."""
    if answer.status >= 300 or request.method == "GET":
        return False
    headers = {"Authorization": request.headers["Authorization"]}
    return exchange(url, Request("GET", "/_matrix/client/v3/account/whoami", None, headers)).status == 401


def _errcode(answer: Answer) -> object:
    error = answer.json()
    return error.get("errcode") if isinstance(error, dict) else None
