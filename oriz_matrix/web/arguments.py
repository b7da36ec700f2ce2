"""From path, query and body to the typed arguments of an endpoint's function.

By name: the parameters of the path are strings, checked where their type is an identifier; `query` is a Struct whose
fields are read from strings; `body` is

    JsonObject              any JSON object
    OptionalJsonObject      the same; an empty one where there is no body
    a Struct                its fields; further members are ignored. Without a body: a Struct of defaults only
    bytes                   the body as it is
    aiohttp.StreamReader    the body still to be read, without a limit

Everything that can be wrong with them is the caller's fault, and an error of the 4xx kind that names the place.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import StreamReader, web

from oriz_matrix.protocol.canonical import decode_strict
from oriz_matrix.protocol.errors import BadJson, BadRequest, InvalidParam, MissingParam, TooLarge
from oriz_matrix.protocol.identifiers import (
    EventId,
    RoomAlias,
    RoomId,
    ServerName,
    UserId,
    parse_event_id,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
)
from oriz_matrix.web.endpoint import Endpoint, JsonObject, OptionalJsonObject

T = TypeVar("T")

BODY_SECONDS = 60
"""How long a body that is read at once may take to arrive."""

_PARSERS: dict[Any, Callable[[str, str], str]] = {
    EventId: parse_event_id,
    RoomAlias: parse_room_alias,
    RoomId: parse_room_id,
    ServerName: parse_server_name,
    UserId: parse_user_id,
}

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Body:
    """The body of one request, read at most once: a server's signature covers it, and then its endpoint wants it."""

    __slots__ = ("_data", "_limit", "_request")

    def __init__(self, request: web.BaseRequest, limit: int) -> None:
        self._request = request
        self._limit = limit
        self._data: bytes | None = None

    @property
    def stream(self) -> StreamReader:
        """What is still to be read."""
        return self._request.content

    async def read(self) -> bytes:
        """All of it; raises `TooLarge`, and `BadRequest` where it does not come."""
        if self._data is None:
            self._data = await read_body(self._request, self._limit)
        return self._data


class Arguments:
    """The converters of one endpoint; raises `TypeError` for a function that cannot be called by its declaration."""

    def __init__(self, endpoint: Endpoint, path_names: Sequence[str], body_limit: int) -> None:
        hints = get_type_hints(endpoint.handler, include_extras=True)
        hints.pop("return", None)
        self.call_type = hints.pop(next(iter(hints), ""), None)
        self._path = [(name, _PARSERS.get(hints.get(name), _as_it_is)) for name in path_names]
        self._body_limit = body_limit
        query_type, body_type = hints.pop("query", None), hints.pop("body", None)
        if set(hints) != set(path_names):
            raise TypeError(f"{endpoint.label}: arguments {sorted(hints)} for the path's {sorted(path_names)}")
        self._query = None if query_type is None else query_reader(query_type)
        self._streamed = body_type is StreamReader
        self._body = None if body_type is None or self._streamed else body_reader(body_type)

    def body_of(self, request: web.BaseRequest) -> Body:
        """A request's body, to be read by whoever needs it first."""
        return Body(request, self._body_limit)

    async def read(self, body: Body, segments: Sequence[str], query: str) -> dict[str, Any]:
        """The arguments of one request; `segments` are the values of the path's parameters, still percent-encoded."""
        values: dict[str, Any] = {
            name: parse(decode_segment(name, segment), name)
            for (name, parse), segment in zip(self._path, segments, strict=True)
        }
        if self._query is not None:
            values["query"] = self._query(query)
        if self._body is not None:
            values["body"] = self._body(await body.read())
        elif self._streamed:
            values["body"] = body.stream
        return values


def decode_segment(name: str, segment: str) -> str:
    """A parameter of the path without its percent-encoding (RFC 3986): any text, a slash too, but no NUL."""
    if segment.isascii() and "%" not in segment:
        return segment
    try:
        text = unquote(segment, errors="strict")
        text.encode()
    except UnicodeError:
        raise InvalidParam(f"{name} in the path is not UTF-8") from None
    if "\0" in text:
        raise InvalidParam(f"{name} in the path holds a NUL character")
    return text


def _as_it_is(text: str, _name: str) -> str:
    return text


def query_reader(query_type: Any) -> Callable[[str], Any]:
    """A function from a raw query string to `query_type`."""
    fields = msgspec.structs.fields(query_type)
    lists = frozenset(field.encode_name for field in fields if _is_list(field.type))
    required = [field.encode_name for field in fields if field.required]

    def read(query: str) -> Any:
        values = _collect(query, lists) if query else {}
        for name in required:
            if name not in values:
                raise MissingParam(f"Missing query parameter: {name}")
        try:
            return msgspec.convert(values, query_type, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidParam(f"Query: {error}") from None

    return read


def parse_query(query: str) -> list[tuple[str, str]]:
    """The pairs of a raw query string; raises `InvalidParam` for what is not UTF-8 or holds a NUL."""
    try:
        query.encode()
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise InvalidParam("The query is not UTF-8, or too long") from None
    if "%00" in query or "\0" in query:
        raise InvalidParam("The query holds a NUL character")
    return pairs


def _collect(query: str, lists: frozenset[str]) -> dict[str, Any]:
    """The values by name: all of those in `lists`, of the others the first."""
    values: dict[str, Any] = {}
    for name, value in parse_query(query):
        if name in lists:
            values.setdefault(name, []).append(value)
        else:
            values.setdefault(name, value)
    return values


def _is_list(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    if origin is Annotated:
        return _is_list(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(_is_list(member) for member in get_args(annotation))
    return origin in (list, tuple, set, frozenset)


def body_reader(body_type: Any) -> Callable[[bytes], Any]:
    """A function from the bytes of a body to `body_type`."""
    if body_type is bytes:
        return bytes
    if body_type == JsonObject:
        return lambda data: shaped(decode_strict(data), body_type)
    if body_type == OptionalJsonObject:
        return lambda data: shaped(decode_strict(data or b"{}"), body_type)
    may_be_absent = not any(field.required for field in msgspec.structs.fields(body_type))

    def read(data: bytes) -> Any:
        if not data and may_be_absent:
            data = b"{}"
        if _ESCAPED_NUL.search(data):
            raise BadJson("The body holds a NUL character")
        return shaped(decode_strict(data), body_type)

    return read


def shaped(value: Any, body_type: type[T]) -> T:
    """A decoded body as `body_type`. Raises BadJson."""
    try:
        return msgspec.convert(value, body_type)
    except msgspec.ValidationError as error:
        raise BadJson(f"Body: {error}") from None


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The body, at most `limit` bytes of it (after decompression); raises `TooLarge` as soon as it is known."""
    if (request.content_length or 0) > limit:
        raise TooLarge
    content = request.content
    try:
        if content.is_eof():
            data = content.read_nowait()
            _check_size(data, limit)
            return data
        async with asyncio.timeout(BODY_SECONDS):
            return await _gather(content, limit)
    except TimeoutError:
        raise BadRequest("The body did not arrive in time") from None
    except web.RequestPayloadError:
        raise BadRequest("The body's encoding is broken") from None


async def _gather(content: StreamReader, limit: int) -> bytes:
    data = bytearray()
    async for chunk in content.iter_any():
        data += chunk
        _check_size(data, limit)
    return bytes(data)


def _check_size(data: bytes | bytearray, limit: int) -> None:
    if len(data) > limit:
        raise TooLarge
