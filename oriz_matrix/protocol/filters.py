"""Filters: what a client wants to see of /sync, /messages, /context and /search.

Parsed leniently (unknown members are ignored), strict about types, and then asked by pure `allows...` predicates. An
absent list allows everything, an empty one nothing; what is in a `not_` list is out even if it is allowed elsewhere.
Source: client-server API, "Filtering"; data/api/client-server/definitions/{event,room_event,sync}_filter.yaml.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from oriz_matrix.protocol.errors import BadJson, InvalidParam
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.globs import match_type
from oriz_matrix.protocol.paths import ABSENT, Path, look_up, split_path

DEFAULT_LIMIT: Final = 10
"""Events of a timeline where the filter names no limit."""

MAX_LIMIT: Final = 1000
"""The most events of one timeline or page, whatever the filter says."""

_UserIds = tuple[Annotated[str, msgspec.Meta(pattern="^@")], ...]
_RoomIds = tuple[Annotated[str, msgspec.Meta(pattern="^!")], ...]
_T = TypeVar("_T")


class EventFilter(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """Which events, by type and sender; `types` and `not_types` may hold `*` for any run of characters."""

    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    types: tuple[str, ...] | None = None
    not_types: tuple[str, ...] = ()
    senders: _UserIds | None = None
    not_senders: _UserIds = ()

    @cached_property
    def allows_all(self) -> bool:
        """Whether no event is filtered out (the limit and the options do not count): the fast path."""
        return self.types is None and self.senders is None and not self.not_types and not self.not_senders

    @property
    def allows_none(self) -> bool:
        """Whether no event can pass: a caller then need not read any."""
        return self.types == () or self.senders == () or self.limit == 0

    def count(self, default: int = DEFAULT_LIMIT) -> int:
        """How many events to give: the limit, else `default`; at most MAX_LIMIT. 0 asks for none."""
        return min(default if self.limit is None else self.limit, MAX_LIMIT)

    def allows_type(self, event_type: str) -> bool:
        """Whether `types` and `not_types` let this event type through."""
        return self._wanted_type(event_type) and not self._unwanted_type(event_type)

    def allows_sender(self, sender: str | None) -> bool:
        """Whether `senders` and `not_senders` let it through; None for what has no sender (typing, account data)."""
        return (self.senders is None or sender in self.senders) and sender not in self.not_senders

    def allows(self, event_type: str, sender: str | None) -> bool:
        """Whether an event outside rooms (presence, account data) passes."""
        return self.allows_all or (self.allows_type(event_type) and self.allows_sender(sender))

    @cached_property
    def _wanted_type(self) -> Callable[[str], bool]:
        return _any_type(("*",) if self.types is None else self.types)

    @cached_property
    def _unwanted_type(self) -> Callable[[str], bool]:
        return _any_type(self.not_types)


class RoomEventFilter(EventFilter, frozen=True, dict=True, omit_defaults=True):
    """Which events of rooms; the lazy-loading and thread options ride along.

    `related_by_...` comes from the time before threads were stable (MSC3440): events that have such children.
    """

    rooms: _RoomIds | None = None
    not_rooms: _RoomIds = ()
    contains_url: bool | None = None
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False
    related_by_senders: _UserIds | None = None
    related_by_rel_types: tuple[str, ...] | None = None

    @cached_property
    def allows_all(self) -> bool:
        """Whether no event of any room is filtered out by `allows_event`: the fast path."""
        lists = (self.rooms, self.types, self.senders, self.contains_url)
        return lists == (None, None, None, None) and not (self.not_rooms or self.not_types or self.not_senders)

    def allows_room(self, room_id: str) -> bool:
        """Whether `rooms` and `not_rooms` let this room through."""
        return _allows_room(self.rooms, self.not_rooms, room_id)

    def allows_event(self, room_id: str, event_type: str, sender: str | None, content: Mapping[str, Any]) -> bool:
        """Whether an event of a room passes; `related_by_...` is not decided here, it needs the children."""
        return self.allows_all or (
            self.allows_type(event_type)
            and self.allows_sender(sender)
            and self.allows_room(room_id)
            and (self.contains_url is None or self.contains_url == ("url" in content))
        )

    def lets(self, event: Event) -> bool:
        """The same for an event, whose content is looked at only where it matters."""
        content = {} if self.contains_url is None else event.content
        return self.allows_event(event.room_id, event.type, event.sender, content)


StateFilter = RoomEventFilter
"""The specification's name for a filter of state events, which has the same form."""

EVERYTHING: Final = RoomEventFilter()


class RoomFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which rooms (of any membership: traps.md 48), and which events of each section."""

    rooms: _RoomIds | None = None
    not_rooms: _RoomIds = ()
    include_leave: bool = False
    timeline: RoomEventFilter = EVERYTHING
    state: StateFilter = EVERYTHING
    ephemeral: RoomEventFilter = EVERYTHING
    account_data: RoomEventFilter = EVERYTHING

    def allows_room(self, room_id: str) -> bool:
        """Whether anything of this room may be sent; asked before the filters of the sections."""
        return _allows_room(self.rooms, self.not_rooms, room_id)


class Filter(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """A whole sync filter."""

    event_fields: tuple[str, ...] | None = None
    event_format: Literal["client", "federation"] = "client"
    presence: EventFilter = EventFilter()
    account_data: EventFilter = EventFilter()
    room: RoomFilter = RoomFilter()

    def project(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The event with only the wanted fields; the event itself where all are wanted. Nothing is changed in place."""
        if self.event_fields is None:
            return event
        projected: dict[str, Any] = {}
        for path in self._paths:
            value = look_up(event, path)
            if value is not ABSENT:
                _put(projected, path, value)
        return projected

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        """The wanted paths, none inside another, so that no value is both copied whole and built up in parts."""
        paths: set[Path] = set()
        for path in sorted(map(split_path, self.event_fields or ()), key=len):
            if not any(path[:length] in paths for length in range(1, len(path))):
                paths.add(path)
        return tuple(paths)


NO_FILTER: Final = Filter()


def parse_filter(value: Any) -> Filter:
    """A filter from the JSON body that defines it; raises BadJson naming the wrong member."""
    try:
        return msgspec.convert(value, Filter)
    except msgspec.ValidationError as error:
        raise BadJson(f"filter: {error}") from None


def is_inline(text: str) -> bool:
    """Whether the parameter `filter` of /sync is a filter as JSON, not the id of a stored one."""
    return text.startswith("{")


def parse_inline_filter(text: str) -> Filter:
    """The filter that /sync carries in its query; raises InvalidParam naming the wrong member."""
    return _decode(text, Filter)


def parse_room_event_filter(text: str | None) -> RoomEventFilter:
    """The `filter` parameter of /messages and /context; None allows everything; raises InvalidParam."""
    return EVERYTHING if text is None else _decode(text, RoomEventFilter)


def to_json(value: Filter | EventFilter) -> dict[str, Any]:
    """The JSON form, without the members that say what is so anyway; `parse_filter` reads it back."""
    json: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return json


def _decode(text: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidParam(f"filter: {error}") from None


def _allows_room(rooms: tuple[str, ...] | None, not_rooms: tuple[str, ...], room_id: str) -> bool:
    return (rooms is None or room_id in rooms) and room_id not in not_rooms


def _any_type(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """A predicate: does any of the patterns match the event type?"""
    if "*" in patterns:
        return lambda _: True
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
    wild = [match_type(pattern) for pattern in patterns if "*" in pattern]
    return lambda event_type: event_type in exact or any(matches(event_type) for matches in wild)


def _put(target: dict[str, Any], path: Path, value: Any) -> None:
    """Set a property inside nested objects, making those that are missing."""
    *outer, last = path
    for name in outer:
        target = target.setdefault(name, {})
    target[last] = value
