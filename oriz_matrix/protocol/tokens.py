"""Sync and page tokens: text ↔ value.

A sync token says up to where a client has seen everything: `s<position>`, with `_d<position>` while to-device messages
wait beyond those that were sent. A page token is a place between two events of a room: `t<position>`, with `_b<back>`
(docs/architecture.md, "Positions"). Both are records of lettered parts; parts that this version does not know
are skipped, so that tokens of a newer version keep working.

A room's events stand in the order of (position, back): a live event at (position, 0), events fetched later into the
gap before it at (position, -1), (position, -2), ... Source: client-server API, "Syncing" and "Pagination".
"""

import re
from dataclasses import dataclass
from typing import Final

from oriz_matrix.protocol.errors import InvalidParam

_LARGEST: Final = 2**63 - 1
_TOKEN = re.compile(r"([st])([0-9]{1,19})((?:_[a-z][0-9A-Za-z.~-]*)*)")
_NUMBER = re.compile(r"[0-9]{1,19}")
_SIGNED = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class SyncToken:
    """Everything up to `position` was sent, to-device messages only up to `to_device` where that is given."""

    position: int
    to_device: int | None = None

    def __str__(self) -> str:
        return f"s{self.position}" if self.to_device is None else f"s{self.position}_d{self.to_device}"


@dataclass(frozen=True, slots=True, order=True)
class PageToken:
    """A place in a room: events at or before (position, back) lie behind it, later ones after it."""

    position: int
    back: int = 0

    def __str__(self) -> str:
        return f"t{self.position}" if self.back == 0 else f"t{self.position}_b{self.back}"


def before(position: int, back: int) -> PageToken:
    """The place just before the event that stands at (position, back)."""
    return PageToken(position, back - 1)


def parse_sync(text: str, name: str = "since") -> SyncToken:
    """Read a sync token; raises InvalidParam naming the parameter `name`."""
    letter, position, parts = _parse(text, name)
    if letter != "s":
        raise _invalid(name)
    to_device = parts.get("d")
    return SyncToken(position, None if to_device is None else _number(_NUMBER, to_device, name))


def parse_page(text: str, name: str = "from") -> PageToken:
    """Read a page token, or a sync token as the place after everything it covers; raises InvalidParam naming `name`."""
    letter, position, parts = _parse(text, name)
    if letter == "s":
        return PageToken(parse_sync(text, name).position)
    return PageToken(position, _number(_SIGNED, parts.get("b", "0"), name))


def _parse(text: str, name: str) -> tuple[str, int, dict[str, str]]:
    """(first letter, its number, the lettered parts)."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise _invalid(name)
    parts = match[3].split("_")[1:]
    values = {part[0]: part[1:] for part in parts}
    if len(values) < len(parts):  # a part given twice says two things
        raise _invalid(name)
    return match[1], _number(_NUMBER, match[2], name), values


def _number(form: re.Pattern[str], digits: str, name: str) -> int:
    if form.fullmatch(digits) is None or abs(number := int(digits)) > _LARGEST:
        raise _invalid(name)
    return number


def _invalid(name: str) -> InvalidParam:
    return InvalidParam(f"{name}: not a token of this server")
