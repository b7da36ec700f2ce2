"""One request over a connection of its own, and what holds for every answer, however bad the request was."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SECONDS = 10


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the wire; `target` is percent-encoded, `body` an iterable to be sent in chunks."""

    method: str
    target: str
    body: bytes | list[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of the headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """The body as JSON; `ValueError` if it is none."""
        return json.loads(self.body)


def exchange(url: str, request: Request) -> Answer:
    """Sends and receives; `OSError` or `HTTPException` when no answer comes in time."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=SECONDS)
    try:
        _send(connection, request)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    finally:
        connection.close()


def _send(connection: http.client.HTTPConnection, request: Request) -> None:
    """A server may answer before it has read everything: the rest is then kept."""
    chunked = isinstance(request.body, list)
    body: bytes | Iterable[bytes] | None = iter(request.body) if isinstance(request.body, list) else request.body
    headers = request.headers | ({"Transfer-Encoding": "chunked"} if chunked else {})
    try:
        connection.request(request.method, request.target, body, headers, encode_chunked=chunked)
    except (BrokenPipeError, ConnectionResetError):
        return


def fault(answer: Answer, *, cors: bool) -> str | None:
    """What is wrong with an answer, or None: 2xx, or a 4xx with a Matrix error; CORS headers on both."""
    if not (200 <= answer.status < 300 or 400 <= answer.status < 500):
        return f"status {answer.status}: {answer.body[:200]!r}"
    if cors and answer.headers.get("access-control-allow-origin") != "*":
        return f"status {answer.status} without CORS headers"
    return None if answer.status < 300 else _fault_of_error(answer)


def _fault_of_error(answer: Answer) -> str | None:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return f"status {answer.status} of type {answer.headers.get('content-type')}: {answer.body[:200]!r}"
    try:
        error = answer.json()
    except ValueError:
        return f"status {answer.status} without JSON: {answer.body[:200]!r}"
    if answer.status == 401 and isinstance(error, dict) and "flows" in error:
        return None  # user-interactive authentication: an offer, not an error
    if not isinstance(error, dict) or not isinstance(error.get("error"), str):
        return f"status {answer.status} without an error text: {answer.body[:200]!r}"
    if not isinstance(error.get("errcode"), str):
        return f"status {answer.status} without an errcode: {answer.body[:200]!r}"
    return None
