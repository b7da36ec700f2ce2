"""The table of all endpoints of a listener, and the one walk that finds the endpoint of a path.

The table is a tree of path segments. A fixed segment wins over a parameter; where both could go on, the tree already
holds both below the fixed one, so the walk never turns back. Parameters are known by their place, not by their name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from oriz_matrix.base.config.limits import Limits
from oriz_matrix.base.config.listeners import Surface as Part
from oriz_matrix.base.metrics import Metrics, RequestMeter
from oriz_matrix.protocol.errors import Unrecognized
from oriz_matrix.web.arguments import Arguments
from oriz_matrix.web.authentication import CALL_TYPES
from oriz_matrix.web.endpoint import Endpoint


class Route:
    """An endpoint at one of its paths: its arguments, where in the path they stand, and its meter."""

    __slots__ = ("arguments", "endpoint", "meter", "places")

    def __init__(self, endpoint: Endpoint, template: str, body_limit: int, meter: RequestMeter) -> None:
        self.endpoint = endpoint
        self.meter = meter
        segments = template.split("/")
        self.places = [place for place, segment in enumerate(segments) if segment.startswith("{")]
        self.arguments = Arguments(endpoint, [segments[place].strip("{}?") for place in self.places], body_limit)
        if self.arguments.call_type is not CALL_TYPES[endpoint.auth]:
            raise TypeError(f"{endpoint.label}: takes {self.arguments.call_type}, but its auth is {endpoint.auth}")

    def values(self, segments: Sequence[str]) -> list[str]:
        """The values of the path's parameters, still percent-encoded; an absent last one is empty."""
        count = len(segments)
        return [segments[place] if place < count else "" for place in self.places]


class _Node:
    __slots__ = ("fixed", "methods", "parameter")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Route] = {}

    def child(self, segment: str) -> _Node:
        if not segment.startswith("{"):
            return self.fixed.setdefault(segment, _Node())
        self.parameter = self.parameter or _Node()
        return self.parameter

    def take_in(self, other: _Node) -> None:
        """Let this node also lead wherever the other one leads."""
        self.methods = {**other.methods, **self.methods}
        for segment, node in other.fixed.items():
            self.child(segment).take_in(node)
        if other.parameter is not None:
            self.child("{}").take_in(other.parameter)

    def settle(self) -> None:
        """Make the walk free of turning back, here and below."""
        for segment, node in self.fixed.items():
            if self.parameter is not None and segment:
                node.take_in(self.parameter)
            node.settle()
        if self.parameter is not None:
            self.parameter.settle()


class Table:
    """The endpoints of the given parts, in a form that is quick to search."""

    def __init__(self, endpoints: Iterable[Endpoint], parts: Iterable[Part], limits: Limits, metrics: Metrics) -> None:
        self._root = _Node()
        self._body_limits = {Part.FEDERATION: limits.federation_body_bytes}
        self._other_body_limit = limits.client_body_bytes
        self._metrics = metrics
        wanted = frozenset(parts)
        for endpoint in endpoints:
            if endpoint.surface.part in wanted:
                self._add(endpoint)
        self._root.settle()

    def find(self, segments: Sequence[str]) -> dict[str, Route]:
        """The routes of a path by method, GET's also for HEAD; raises `Unrecognized` if it has none."""
        node: _Node | None = self._root
        for segment in segments:
            assert node is not None
            following = node.fixed.get(segment)
            if following is None and segment:
                following = node.parameter
            if following is None:
                raise Unrecognized
            node = following
        assert node is not None
        if not node.methods:
            raise Unrecognized
        return node.methods

    def _add(self, endpoint: Endpoint) -> None:
        limit = endpoint.body_limit or self._body_limits.get(endpoint.surface.part, self._other_body_limit)
        meter = RequestMeter(self._metrics, endpoint.method, endpoint.label)
        for template in endpoint.paths():
            route = Route(endpoint, template, limit, meter)
            for form in _forms(template):
                self._place(route, form)

    def _place(self, route: Route, template: str) -> None:
        node = self._root
        for segment in template.split("/"):
            node = node.child(segment)
        for method in ("GET", "HEAD") if route.endpoint.method == "GET" else (route.endpoint.method,):
            other: Any = node.methods.setdefault(method, route)
            if other is not route:
                raise TypeError(f"{method} {template} is declared twice")


def _forms(template: str) -> list[str]:
    """A template in all forms that it stands for: with and without its last slash or optional parameter."""
    if template.endswith("?}"):
        stem = template[: template.rindex("/")]
        return [template, stem + "/", stem]
    return [template, template[:-1]] if template.endswith("/") else [template]
