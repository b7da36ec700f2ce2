"""Identifiers: user, room, event and device ids, aliases, server names. Source: appendices, "Identifier grammar".

The types are plain strings for the interpreter and distinct for mypy; the `parse_...` functions are the only way from
an outside string to one of them. Each takes the text and the name of the field it stood in, and raises `InvalidParam`
naming that field. Lengths are counted in bytes of UTF-8.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NewType

from oriz_matrix.protocol.errors import InvalidParam, InvalidUsername

UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
EventId = NewType("EventId", str)
RoomAlias = NewType("RoomAlias", str)
DeviceId = NewType("DeviceId", str)
ServerName = NewType("ServerName", str)

MAX_BYTES = 255
"""How long an identifier may be, sigil and domain included."""

_SERVER_NAME = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(?::([0-9]{1,5}))?", re.ASCII)
_DOTTED_QUAD = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", re.ASCII)
_NEW_LOCALPART = re.compile(r"[a-z0-9._=/+-]+", re.ASCII)


def parse_user_id(text: object, field: str) -> UserId:
    """A user id, the historical ones included: any localpart, even an empty one, without `:` and NUL."""
    identifier = _parse(text, field, "@")
    _require_domain(identifier, field)
    return UserId(identifier)


def parse_room_id(text: object, field: str) -> RoomId:
    """A room id: `!opaque:domain` in room versions before 12, `!hash` from 12 on. Never a hint for routing."""
    identifier = _parse(text, field, "!")
    if ":" in identifier:
        _require_domain(identifier, field)
    return RoomId(identifier)


def parse_event_id(text: object, field: str) -> EventId:
    """An event id: opaque after its sigil; of all room versions."""
    return EventId(_parse(text, field, "$"))


def parse_room_alias(text: object, field: str) -> RoomAlias:
    """A room alias, `#localpart:domain`."""
    identifier = _parse(text, field, "#")
    _require_domain(identifier, field)
    return RoomAlias(identifier)


def parse_server_name(text: object, field: str) -> ServerName:
    """A server name: DNS name, IPv4 address or bracketed IPv6 address, each with or without a port. Case matters."""
    if not isinstance(text, str) or not is_server_name(text):
        raise InvalidParam(f"{field} is not a valid server name")
    return ServerName(text)


def new_user_id(localpart: str, server_name: ServerName) -> UserId:
    """The id of a user to be made here; raises `InvalidUsername` outside the grammar for new users."""
    user_id = f"@{localpart}:{server_name}"
    if not _NEW_LOCALPART.fullmatch(localpart):
        raise InvalidUsername("A user name may only hold the characters a-z, 0-9, and . _ = - / +")
    if len(user_id) > MAX_BYTES:
        raise InvalidUsername(f"The user id would be longer than {MAX_BYTES} bytes")
    return UserId(user_id)


def is_user_id(text: str) -> bool:
    """Whether the text has the form of a user id, whatever its length (old rooms hold longer ones, traps.md 29)."""
    return text.startswith("@") and "\0" not in text and is_server_name(domain_of(text))


def is_server_name(text: str) -> bool:
    """Whether the text fits the grammar of server names."""
    match = _SERVER_NAME.fullmatch(text)
    if match is None or len(text) > MAX_BYTES:
        return False
    host = match[1]
    if host.startswith("[") or _DOTTED_QUAD.fullmatch(host):
        return is_ip_literal(host)
    return True


def is_ip_literal(host: str) -> bool:
    """Whether a host (without port) is an IPv4 address or a bracketed IPv6 address."""
    try:
        if host.startswith("["):
            IPv6Address(host[1:-1])
        else:
            IPv4Address(host)
    except AddressValueError:
        return False
    return True


def split_server_name(server_name: str) -> tuple[str, int | None]:
    """(host, port or None) of a valid server name; an IPv6 host keeps its brackets."""
    match = _SERVER_NAME.fullmatch(server_name)
    assert match is not None
    return match[1], int(match[2]) if match[2] else None


def other_server(user_id: str, here: ServerName) -> ServerName | None:
    """The server of a user, where it is another one than this; None also for what is no user id."""
    if not is_user_id(user_id):
        return None
    server = domain_of(user_id)
    return None if server == here else server


def domain_of(identifier: str) -> ServerName:
    """What stands after the first colon; empty without one (room ids from version 12 on, event ids from 3 on)."""
    return ServerName(identifier.partition(":")[2])


def localpart_of(identifier: str) -> str:
    """What stands between the sigil and the first colon."""
    return identifier[1:].partition(":")[0]


def byte_length(text: str) -> int:
    """The length in UTF-8; raises UnicodeEncodeError for lone surrogates."""
    return len(text) if text.isascii() else len(text.encode())


def _parse(text: object, field: str, sigil: str) -> str:
    """The checks that all identifiers share."""
    if not isinstance(text, str) or not text.startswith(sigil) or text == sigil or "\0" in text:
        raise InvalidParam(f"{field} is not a valid identifier of the form {sigil}...")
    try:
        length = byte_length(text)
    except UnicodeEncodeError:
        raise InvalidParam(f"{field} is not valid Unicode") from None
    if length > MAX_BYTES:
        raise InvalidParam(f"{field} is longer than {MAX_BYTES} bytes")
    return text


def _require_domain(identifier: str, field: str) -> None:
    if not is_server_name(domain_of(identifier)):
        raise InvalidParam(f"{field} does not end in a valid server name")
