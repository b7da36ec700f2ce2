"""What the server declares: every endpoint below `oriz_matrix.api`, and the types of its query and body.

The package is walked, so an endpoint that is added is found without an edit here.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from oriz_matrix import api
from oriz_matrix.api import pages
from oriz_matrix.web.endpoint import Endpoint, declared


def all_endpoints() -> list[Endpoint]:
    """Every declared endpoint, in the order of the modules' names."""
    names = sorted(module.name for module in pkgutil.walk_packages(api.__path__, api.__name__ + "."))
    return [*declared(*(importlib.import_module(name) for name in names)), *pages.well_known("https://example.org")]


def title(endpoint: Endpoint) -> str:
    """Method and path in the newest version, as a test's name."""
    return f"{endpoint.method} {newest_path(endpoint)}"


def newest_path(endpoint: Endpoint) -> str:
    """The complete path template in the newest version."""
    return endpoint.paths()[max(len(endpoint.versions), 1) - 1]


def body_type(endpoint: Endpoint) -> Any:
    """The type of the body, or None for an endpoint without one."""
    return get_type_hints(endpoint.handler, include_extras=True).get("body")


def query_names(endpoint: Endpoint) -> list[str]:
    """The query parameters that the endpoint knows."""
    query = get_type_hints(endpoint.handler, include_extras=True).get("query")
    return [] if query is None else [field.encode_name for field in msgspec.structs.fields(query)]


def places(struct: Any) -> Iterator[tuple[str, ...]]:
    """The paths of all fields of a Struct and of the Structs in them, also in lists, into which "0" leads."""
    for field in msgspec.structs.fields(struct):
        yield (field.encode_name,)
        for nested, steps in _structs_in(field.type):
            for place in places(nested):
                yield (field.encode_name, *steps, *place)


def _structs_in(annotation: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The Structs that a value of this type may hold, and the steps that lead to each."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _structs_in(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _structs_in(member)
    elif origin in (list, tuple):
        for member, steps in _structs_in(get_args(annotation)[0]):
            yield member, ("0", *steps)
    elif isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation, ()


def example(annotation: Any, known: dict[str, Any]) -> Any:
    """A harmless value of a type: of a Struct what is required, and what is known by its name."""
    origin = get_origin(annotation) or annotation
    if origin is Annotated or origin in (Union, UnionType):
        return example(get_args(annotation)[0], known)
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        fields = {field.encode_name: field for field in msgspec.structs.fields(origin)}
        return {
            name: known.get(name, example(field.type, known))
            for name, field in fields.items()
            if field.required or name in known
        }
    simple = {bool: True, int: 1, float: 1.5, list: [], tuple: [], dict: {}}
    return simple.get(origin, "example")
