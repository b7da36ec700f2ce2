"""From a declaration and the hostile data to the requests that the endpoint has to withstand."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oriz_matrix.web.endpoint import Endpoint
from tests.conformance.declarations import body_type, example, newest_path, places, query_names
from tests.conformance.exchange import Request
from tests.conformance.hostile import (
    BODIES,
    CONTENTS,
    GOOD_QUERY,
    HEADERS,
    QUERIES,
    QUERY_VALUES,
    SEGMENTS,
    TOKENS,
    VALUES,
)
from tests.conformance.stage import Account, Stage

JSON = {"Content-Type": "application/json"}
PARAMETER = re.compile(r"\{(\w+)\??\}")
UNREADABLE = {"a NUL", "a lone surrogate"}  # refused before anybody knows which field it is


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and in words what is wrong with it; `field` is what a complaint about it has to name, if anything."""

    description: str
    request: Request
    field: str = ""


class Cases:
    """All hostile requests to one endpoint; each comes with a description."""

    def __init__(self, endpoint: Endpoint, stage: Stage) -> None:
        self._endpoint = endpoint
        self._stage = stage
        self._transactions = itertools.count()
        self._template = newest_path(endpoint)
        self._body_type = body_type(endpoint)
        self._good_query = {name: GOOD_QUERY[name] for name in query_names(endpoint) if name in GOOD_QUERY}

    def all(self) -> Iterator[Case]:
        """With Alice's token, except where the token itself is the matter."""
        for cases in (self._bodies(), self._fields(), self._contents(), self._paths(), self._queries()):
            for case in cases:
                yield Case(case.description, self._authorized(case.request, self._stage.alice), case.field)
        yield Case("somebody without any right", self._authorized(self._request(), self._stage.mallory))
        yield from self.tokens()

    def tokens(self) -> Iterator[Case]:
        """Bad credentials, one by one."""
        for name, header in TOKENS.items():
            headers = JSON if header is None else {**JSON, "Authorization": header}
            request = Request(self._endpoint.method, self._target(), self._good_body(), headers)
            yield Case(f"authorization: {name}", request)

    def _authorized(self, request: Request, account: Account) -> Request:
        """The same request with the account's credentials of this moment."""
        headers = {**request.headers, "Authorization": account.authorization}
        return Request(request.method, request.target, request.body, headers)

    def _bodies(self) -> Iterator[Case]:
        for name, body in BODIES.items():
            yield Case(f"body: {name}", self._request(body))
            yield Case(f"body in chunks: {name}", Request(self._endpoint.method, self._target(), [body], JSON))
        for name, (body, headers) in HEADERS.items():
            yield Case(f"headers: {name}", Request(self._endpoint.method, self._target(), body, headers))

    def _fields(self) -> Iterator[Case]:
        """Every wrong value in the place of every field, and every field left out."""
        good = self._good_body()
        if good is None or not hasattr(self._body_type, "__struct_fields__"):
            return
        for place in places(self._body_type):
            for name, value in VALUES.items():
                body = json.loads(good)
                _put(body, place, value)
                field = "" if name in UNREADABLE else place[0]
                yield Case(f"{'.'.join(place)}: {name}", self._request(json.dumps(body).encode()), field)
        for missing in json.loads(good):
            body = {key: value for key, value in json.loads(good).items() if key != missing}
            yield Case(f"{missing}: missing", self._request(json.dumps(body).encode()), missing)

    def _contents(self) -> Iterator[Case]:
        """Event contents that are wrong in what the server reads of them, where the path names an event type."""
        if "{event_type}" not in self._template or self._body_type is None:
            return
        for event_type, fields in CONTENTS.items():
            state_key = self._stage.segments["user_id"] if event_type == "m.room.member" else ""
            target = self._target(event_type=event_type, state_key=state_key)
            for key in fields:
                for name, value in VALUES.items():
                    body = json.dumps({key: value}).encode()
                    yield Case(f"{event_type} {key}: {name}", Request(self._endpoint.method, target, body, JSON))

    def _paths(self) -> Iterator[Case]:
        for parameter in PARAMETER.findall(self._template):
            for name, segment in SEGMENTS.items():
                target = self._target(**{parameter: segment})
                yield Case(f"{parameter}: {name}", Request(self._endpoint.method, target, self._good_body(), JSON))

    def _queries(self) -> Iterator[Case]:
        for parameter in query_names(self._endpoint):
            others = "".join(f"&{name}={value}" for name, value in self._good_query.items() if name != parameter)
            for name, value in QUERY_VALUES.items():
                once = f"{parameter}={value}"
                yield Case(f"?{parameter}: {name}", self._request(query=once + others))
                yield Case(f"?{parameter} twice: {name}", self._request(query=f"{once}&{once}{others}"))
        for name, query in QUERIES.items():
            yield Case(f"query: {name}", self._request(query=query))

    def _request(self, body: bytes | None = None, query: str = "") -> Request:
        target = f"{self._target().partition('?')[0]}?{query}" if query else self._target()
        return Request(self._endpoint.method, target, self._good_body() if body is None else body, JSON)

    def _good_body(self) -> bytes | None:
        """A body to which nobody can object for its form, or None for an endpoint without one."""
        if self._body_type is None:
            return None
        body: Any = example(self._body_type, self._stage.fields)
        return json.dumps(body if isinstance(body, dict) else {}).encode()

    def _target(self, **replaced: str) -> str:
        """The path, and the query it needs, with values that fit, except for those that are given."""
        values = {**self._stage.segments, "txn_id": f"transaction-{next(self._transactions)}", **replaced}
        if "{state_key" in self._template and "event_type" not in replaced:
            values["event_type"] = "m.room.name"
        path = PARAMETER.sub(lambda match: values.get(match[1], "something"), self._template)
        return path + "".join(f"?{name}={value}" for name, value in self._good_query.items())


def _put(body: Any, place: tuple[str, ...], value: object) -> None:
    """Put a value into nested objects and lists, which are made on the way."""
    *way, last = place
    for step, following in zip(way, place[1:], strict=True):
        empty: Any = [{}] if following == "0" else {}
        if step == "0":
            body = body[0]
            continue
        if not body.get(step):
            body[step] = empty
        body = body[step]
    body[last] = value
