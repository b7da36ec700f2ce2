"""Fields of a profile: what they may be called, what they may hold, how large a profile may become.

Three fields have a form of their own; whatever else follows the grammar holds any JSON. Source: client-server API,
"Profiles" (fields of any name since 1.16, MSC4133); appendices, "Common Namespaced Identifier Grammar".
"""

import re
from collections.abc import Mapping
from typing import Final

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import BadJson, BadRequest, InvalidParam, KeyTooLarge, ProfileTooLarge
from oriz_matrix.protocol.identifiers import byte_length, is_server_name

DISPLAYNAME: Final = "displayname"
AVATAR_URL: Final = "avatar_url"
TIME_ZONE: Final = "m.tz"

MAX_NAME_BYTES = 255
MAX_PROFILE_BYTES = 64 * 1024
"""A profile's canonical JSON stays below this."""

MAX_CHARACTERS = {DISPLAYNAME: 256, AVATAR_URL: 1000, TIME_ZONE: 255}
"""Bounds of our own: the first two stand in every member event of the user."""

_NAMESPACED = re.compile(r"[a-z][a-z0-9_-]*\.[a-z0-9._-]+", re.ASCII)
_MXC = re.compile(r"mxc://([^/]+)/[A-Za-z0-9_-]+", re.ASCII)


def check_name(name: str) -> None:
    """Raises KeyTooLarge, or InvalidParam for what no field may be called."""
    if byte_length(name) > MAX_NAME_BYTES:
        raise KeyTooLarge(f"keyName: longer than {MAX_NAME_BYTES} bytes")
    if name not in (DISPLAYNAME, AVATAR_URL) and not _NAMESPACED.fullmatch(name):
        raise InvalidParam("keyName: must be displayname, avatar_url or namespaced, such as org.example.field")


def check_value(name: str, value: object) -> None:
    """Raises BadJson or InvalidParam for what the field of this name cannot hold."""
    if name not in MAX_CHARACTERS:
        return
    if not isinstance(value, str):
        raise BadJson(f"{name}: must be a string")
    if len(value) > MAX_CHARACTERS[name]:
        raise InvalidParam(f"{name}: longer than {MAX_CHARACTERS[name]} characters")
    if name == AVATAR_URL and value and not is_mxc(value):
        raise InvalidParam("avatar_url: must be an mxc URI, or empty")  # clients empty it to take the picture away


def check_size(profile: Mapping[str, object]) -> None:
    """Raises ProfileTooLarge."""
    if len(encode(profile)) >= MAX_PROFILE_BYTES:
        raise ProfileTooLarge(f"A profile must be smaller than {MAX_PROFILE_BYTES} bytes")


def received(profile: Mapping[str, object]) -> dict[str, object]:
    """What of another server's answer is a profile: the fields that could stand here too. Raises ProfileTooLarge."""
    found = {name: value for name, value in profile.items() if value is not None and _is_field(name, value)}
    check_size(found)
    return found


def _is_field(name: str, value: object) -> bool:
    try:
        check_name(name)
        check_value(name, value)
    except BadRequest:
        return False
    return True


def is_mxc(text: str) -> bool:
    """Whether the text names content on a media repository: mxc://server-name/media-id."""
    match = _MXC.fullmatch(text)
    return match is not None and is_server_name(match[1])
