"""The format of PDUs: which keys an event must have, of which types and sizes, in each room version.

An event that fails here is malformed: dropped when it came from another server, refused when a client wants to send it.
Source: room version pages, "Event format"; client-server API, "Size limits"; server-server API, "PDUs".
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from oriz_matrix.protocol.canonical import check_canonical, check_nesting, encode
from oriz_matrix.protocol.errors import BadJson, TooLarge
from oriz_matrix.protocol.identifiers import MAX_BYTES, byte_length, domain_of, is_server_name, is_user_id
from oriz_matrix.protocol.room_versions import EventIdFormat, RoomVersion

MAX_EVENT_BYTES = 65536
MAX_AUTH_EVENTS = 10
MAX_PREV_EVENTS = 20
MAX_EVENT_NESTING = 256
"""No limit of the specification; other servers cannot hold events deeper than 128 to some 900 levels."""
_MAX_INT64 = 2**63 - 1
_SIZED_KEYS = ("type", "state_key", "sender", "room_id", "event_id")


def check_format(pdu: object, version: RoomVersion) -> dict[str, Any]:
    """The PDU without its `unsigned`, after raising `BadJson` or `TooLarge`, naming the key, for a malformed one."""
    event = check_shape(pdu, version)
    check_sizes(event, version)
    return event


def check_shape(pdu: object, version: RoomVersion) -> dict[str, Any]:
    """`check_format` without the sizes: the PDU without its `unsigned`, or `BadJson`."""
    if not isinstance(pdu, dict):
        raise BadJson("An event must be an object")
    event = {name: value for name, value in pdu.items() if name != "unsigned"}
    _check_types(event, version)
    _check_ids(event, version)
    _check_references(event, version)
    if version.strict_json:
        check_canonical(event)
    return event


def check_sizes(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """The event's canonical JSON; raises `TooLarge` if it or a key of it is too long, `BadJson` if it is too deep."""
    length, unit = (byte_length, "bytes") if version.byte_limits else (len, "characters")
    try:
        for name in _SIZED_KEYS:
            if length(_text_of(pdu, name)) > MAX_BYTES:
                raise TooLarge(f"{name} is longer than {MAX_BYTES} {unit}")
        encoded = encode(pdu)
    except ValueError:
        raise BadJson("The event cannot be written as JSON") from None
    if len(encoded) > MAX_EVENT_BYTES:
        raise TooLarge(f"The event is larger than {MAX_EVENT_BYTES} bytes")
    check_nesting(pdu, encoded, MAX_EVENT_NESTING)
    return encoded


def key_over_byte_limit(pdu: Mapping[str, Any]) -> str | None:
    """The name of a key that is longer than 255 bytes, if any.

    Events that have one passed `check_format` only in the versions up to 10, where servers long counted characters:
    they are to be stored as rejected, since a hole in their place would hang their descendants (traps.md 29).
    """
    return next((name for name in _SIZED_KEYS if byte_length(_text_of(pdu, name)) > MAX_BYTES), None)


def is_founding(pdu: Mapping[str, Any], version: RoomVersion) -> bool:
    """Whether this is a create event whose hash is the room id, and which therefore has no `room_id`."""
    return version.room_id_is_create_hash and pdu["type"] == "m.room.create" and pdu.get("state_key") == ""


def _check_types(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    for name, (fits, form) in _REQUIRED.items():
        _require(name in pdu, f"The event has no {name}")
        _require(fits(pdu[name]), f"{name} must be {form}")
    _require(_is_text(pdu.get("state_key", "")), "state_key must be a string without NUL")
    _require(0 <= pdu["depth"] <= version.max_depth, f"depth must lie between 0 and {version.max_depth}")
    _require(isinstance(pdu["hashes"].get("sha256"), str), "hashes.sha256 must be a string")


def _check_ids(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    if version.event_id_format is EventIdFormat.CHOSEN:
        event_id = pdu.get("event_id")
        _require(_is_event_id(event_id) and is_server_name(domain_of(event_id)), "event_id must be $opaque:domain")
    if is_founding(pdu, version):
        _require("room_id" not in pdu, "m.room.create has no room_id in this room version")
        return
    room_id = pdu.get("room_id")
    _require(_is_text(room_id) and room_id.startswith("!"), "room_id must be a room id")
    _require(version.room_id_is_create_hash or ":" in str(room_id), "room_id must have a domain in this room version")


def _check_references(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    is_reference = _is_pair if version.event_id_format is EventIdFormat.CHOSEN else _is_event_id
    for name, most in (("auth_events", MAX_AUTH_EVENTS), ("prev_events", MAX_PREV_EVENTS)):
        _require(len(pdu[name]) <= most, f"{name} holds more than {most} events")
        _require(all(map(is_reference, pdu[name])), f"{name} must refer to events")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise BadJson(message)


def _text_of(pdu: Mapping[str, Any], name: str) -> str:
    """The key, where it has to be a string: `event_id` may be anything from version 3 on, as it means nothing."""
    value = pdu.get(name)
    return value if isinstance(value, str) else ""


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and "\0" not in value


def _is_integer(value: Any) -> bool:
    """A 64-bit integer; true and false are none."""
    return type(value) is int and -_MAX_INT64 <= value <= _MAX_INT64


def _is_sender(value: Any) -> bool:
    return isinstance(value, str) and is_user_id(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_event_id(value: Any) -> TypeGuard[str]:
    return _is_text(value) and value.startswith("$")


def _is_pair(value: Any) -> bool:
    """[event id, {"sha256": ...}]; nobody ever used the hash."""
    return isinstance(value, list) and len(value) == 2 and _is_event_id(value[0]) and isinstance(value[1], dict)


_REQUIRED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "type": (_is_text, "a string without NUL"),
    "sender": (_is_sender, "a user id"),
    "content": (_is_object, "an object"),
    "depth": (_is_integer, "an integer"),
    "origin_server_ts": (_is_integer, "an integer"),
    "hashes": (_is_object, "an object"),
    "signatures": (_is_object, "an object"),
    "auth_events": (_is_list, "a list"),
    "prev_events": (_is_list, "a list"),
}
