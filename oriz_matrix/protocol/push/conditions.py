"""The conditions of push rules, each compiled to a function of event, room and receiver.

A condition of an unknown kind, or one that lacks what its kind needs, compiles to `never`: it matches no event
and so switches its rule off. Source: client-server API, "Push rules", "Conditions".
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.globs import match_phrase, match_whole, match_words
from oriz_matrix.protocol.paths import ABSENT, look_up, split_path
from oriz_matrix.protocol.push.shape import Condition

_MAX_INTEGER: Final = 2**53 - 1
_DEFAULT_LEVEL: Final = 50  # of m.room.power_levels' `notifications`
_COUNT = re.compile("(==|<=|>=|<|>)?([0-9]{1,16})")
_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class RoomContext:
    """What conditions ask about the room at the event.

    `sender_level` is the sender's power level (infinite for creators of version 12 rooms); `notification_levels` are
    the integers of `notifications` in m.room.power_levels.
    """

    member_count: int
    sender_level: float = 0
    notification_levels: Mapping[str, int] = field(default_factory=dict)


Test = Callable[[Event, RoomContext, str | None], bool]
"""Whether a condition holds for an event in a room and a receiver of this display name (None: they have none)."""

_Getter = Callable[[Event], Any]


def never(event: Event, room: RoomContext, display_name: str | None) -> bool:  # noqa: ARG001
    """The test of a condition that this server does not understand."""
    return False


def may_notify(room: RoomContext, key: str) -> bool:
    """Whether the sender's power suffices for notifications of the type `key`, such as `room` for @room."""
    return room.sender_level >= room.notification_levels.get(key, _DEFAULT_LEVEL)


def compile_condition(condition: Condition) -> Test:
    """The test of one condition."""
    compiler = _COMPILERS.get(condition.get("kind"))
    return never if compiler is None else compiler(condition)


def _event_match(condition: Condition) -> Test:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not isinstance(key, str) or not isinstance(pattern, str):
        return never
    get = _getter(key)
    matches = match_words(pattern) if key == "content.body" else match_whole(pattern)

    def test(event: Event, _room: RoomContext, _name: str | None) -> bool:
        value = get(event)
        return isinstance(value, str) and matches(value)

    return test


def _event_property_is(condition: Condition) -> Test:
    key = condition.get("key")
    wanted = condition.get("value", ABSENT)
    if not isinstance(key, str) or not _is_simple(wanted):
        return never
    get, kind = _getter(key), type(wanted)

    def test(event: Event, _room: RoomContext, _name: str | None) -> bool:
        value = get(event)
        return value == wanted and type(value) is kind  # true is not 1

    return test


def _event_property_contains(condition: Condition) -> Test:
    key = condition.get("key")
    wanted = condition.get("value", ABSENT)
    if not isinstance(key, str) or not _is_simple(wanted):
        return never
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


def _room_member_count(condition: Condition) -> Test:
    text = condition.get("is")
    match = _COUNT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return never
    compare, number = _COMPARISONS[match[1] or "=="], int(match[2])
    return lambda _event, room, _name: compare(room.member_count, number)


def _sender_notification_permission(condition: Condition) -> Test:
    key = condition.get("key")
    if not isinstance(key, str):
        return never
    return lambda _event, room, _name: may_notify(room, key)


_COMPILERS: Final[Mapping[Any, Callable[[Condition], Test]]] = {
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
    """A function from an event to the property at a path, ABSENT where there is none.

    Event and room id come from beside the PDU, which does not hold them in every room version.
    """
    path = split_path(key)
    match path:
        case ("type",):
            return lambda event: event.type
        case ("sender",):
            return lambda event: event.sender
        case ("room_id",):
            return lambda event: event.room_id
        case ("event_id",):
            return lambda event: event.event_id
        case ("state_key",):
            return lambda event: ABSENT if event.state_key is None else event.state_key
        case ("content", name):
            return lambda event: event.content.get(name, ABSENT)
        case ("content", *inner):
            return lambda event: look_up(event.content, tuple(inner))
    return lambda event: look_up(event.pdu, path)
