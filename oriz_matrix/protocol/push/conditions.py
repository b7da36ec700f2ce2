"""The conditions of push rules, each compiled to a function of event, room and receiver.

A condition of an unknown kind, or one that lacks what its kind needs, compiles to None: it matches no event
and so switches its rule off. Source: client-server API, "Push rules", "Conditions".
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.globs import match_phrase, match_whole, match_words
from oriz_matrix.protocol.paths import ABSENT, look_up, split_path
from oriz_matrix.protocol.push.shape import Condition

_MAX_INTEGER: Final = 2**53 - 1
_COUNT = re.compile("(==|<=|>=|<|>)?([0-9]{1,16})")
_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def _default_level(_key: str) -> int:
    """What m.room.power_levels means where it names no level in `notifications`."""
    return 50


@dataclass(frozen=True, slots=True)
class RoomContext:
    """What conditions ask about the room at the event.

    `sender_level` is the sender's power level (infinite for creators of version 12 rooms); `notification_level`
    gives the level that a kind of notification needs, as `event_contents.PowerLevels.notification` does.
    """

    member_count: int
    sender_level: float = 0
    notification_level: Callable[[str], int] = _default_level


Test = Callable[[Event, RoomContext, str | None], bool]
"""Whether a condition holds for an event in a room and a receiver of this display name (None: they have none)."""

_Getter = Callable[[Event], Any]


def may_notify(room: RoomContext, key: str) -> bool:
    """Whether the sender's power suffices for notifications of the type `key`, such as `room` for @room."""
    return room.sender_level >= room.notification_level(key)


def compile_condition(condition: Condition) -> Test | None:
    """The test of one condition, None where no event can satisfy it."""
    compiler = _COMPILERS.get(condition.get("kind"))
    return None if compiler is None else compiler(condition)


def _event_match(condition: Condition) -> Test | None:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not isinstance(key, str) or not isinstance(pattern, str):
        return None
    get = _getter(key)
    matches = match_words(pattern) if key == "content.body" else match_whole(pattern)

    def test(event: Event, _room: RoomContext, _name: str | None) -> bool:
        value = get(event)
        return isinstance(value, str) and matches(value)

    return test


def _event_property_is(condition: Condition) -> Test | None:
    key = condition.get("key")
    wanted = condition.get("value", ABSENT)
    if not isinstance(key, str) or not _is_simple(wanted):
        return None
    get, kind = _getter(key), type(wanted)

    def test(event: Event, _room: RoomContext, _name: str | None) -> bool:
        value = get(event)
        return value == wanted and type(value) is kind  # true is not 1

    return test


def _event_property_contains(condition: Condition) -> Test | None:
    key = condition.get("key")
    wanted = condition.get("value", ABSENT)
    if not isinstance(key, str) or not _is_simple(wanted):
        return None
    get, kind = _getter(key), type(wanted)

    def test(event: Event, _room: RoomContext, _name: str | None) -> bool:
        values = get(event)
        return isinstance(values, list) and any(value == wanted and type(value) is kind for value in values)

    return test


def _contains_display_name(_condition: Condition) -> Test:
    return _names_receiver


def _names_receiver(event: Event, _room: RoomContext, display_name: str | None) -> bool:
    """Deprecated in v1.17, still allowed in users' own rules."""
    body = event.content.get("body")
    return bool(display_name) and isinstance(body, str) and match_phrase(display_name or "")(body)


def _room_member_count(condition: Condition) -> Test | None:
    text = condition.get("is")
    match = _COUNT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    compare, number = _COMPARISONS[match[1] or "=="], int(match[2])
    return lambda _event, room, _name: compare(room.member_count, number)


def _sender_notification_permission(condition: Condition) -> Test | None:
    key = condition.get("key")
    if not isinstance(key, str):
        return None
    return lambda _event, room, _name: may_notify(room, key)


_COMPILERS: Final[Mapping[Any, Callable[[Condition], Test | None]]] = {
    "event_match": _event_match,
    "event_property_is": _event_property_is,
    "event_property_contains": _event_property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
}


def _is_simple(value: Any) -> bool:
    """Whether it is a value that conditions can compare: string, boolean, null, integer within ±(2^53-1)."""
    if type(value) is int:
        return abs(value) <= _MAX_INTEGER
    return value is None or isinstance(value, str | bool)


def _getter(key: str) -> _Getter:
    """A function from an event to the property at a path, ABSENT where there is none."""
    path = split_path(key)
    if len(path) == 1 and path[0] in _ATTRIBUTES:
        return operator.attrgetter(path[0])
    if path[0] != "content":
        return lambda event: look_up(event.pdu, path)
    inner = path[1:]
    if len(inner) == 1:
        return lambda event: event.content.get(inner[0], ABSENT)
    return lambda event: look_up(event.content, inner)


_ATTRIBUTES: Final = frozenset({"type", "sender", "room_id", "event_id"})
"""What an event knows without its PDU, which does not hold both ids in every room version."""
