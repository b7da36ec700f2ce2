"""Canonical JSON: the one encoder for all that is hashed, signed or stored, and the one parser for JSON from outside.

What `decode_strict` accepts, `encode` can write and every walk in the server can traverse. Source: appendices,
"Canonical JSON"; room version 6, "Canonical JSON".
"""

from typing import Any

import msgspec
from canonicaljson import encode_canonical_json

from oriz_matrix.protocol.errors import BadJson, NotJson

MAX_INTEGER = 2**53 - 1
"""The largest integer of canonical JSON; the smallest is its negative."""

MAX_NESTING = 700
"""How deep a body may be nested, so that recursive code survives it. Events have a smaller limit of their own: a deep
one must not make a whole transaction unreadable (traps.md 3), and no server can send much deeper ones."""


def encode(value: Any) -> bytes:
    """Canonical JSON of a value made of dict, list, str, int, bool and None, and floats where a room may hold them.

    Floats are no part of canonical JSON, but rooms of versions 1 to 5 hold them and hash the text that the reference
    implementation gives them, which is not msgspec's (1e+16, not 1e16). Raises ValueError for NaN, infinities and
    lone surrogates.
    """
    return encode_canonical_json(value) if _holds_float(value) else _ENCODE(value)


def decode_strict(raw: bytes) -> Any:
    """The value of JSON text from outside.

    Integers keep all their digits; of members with the same name the last one counts. Raises `NotJson` for what is not
    JSON in UTF-8 (NaN and lone surrogates too), `BadJson` for what is and cannot be held: numbers out of range, nesting
    deeper than `MAX_NESTING`.
    """
    try:
        value = _DECODE(raw)
    except RecursionError:
        raise _too_deep(MAX_NESTING) from None
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadJson(f"The JSON holds a number that is out of range: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJson from None
    check_nesting(value, raw, MAX_NESTING)
    return value


def check_canonical(value: Any) -> None:
    """Raises `BadJson`, naming the place, unless all numbers are integers within ±(2^53-1)."""
    if not _is_canonical(value):
        path = ".".join(_find_offender(value) or [])
        raise BadJson(f"{path or 'The value'} is not an integer between -(2^53-1) and 2^53-1")


def check_nesting(value: Any, raw: bytes, limit: int) -> None:
    """Raises `BadJson` if a value, whose JSON is `raw`, has more levels of lists and objects than `limit`."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return
    level = [value]  # level by level, so that the check itself needs no stack
    for _ in range(limit):
        lists = [member for node in level if type(node) is list for member in node]
        dicts = [member for node in level if type(node) is dict for member in node.values()]
        level = [member for member in lists + dicts if type(member) in (list, dict)]
        if not level:
            return
    raise _too_deep(limit)


def _parse_float(text: str) -> float | int:
    """A number written with a fraction or an exponent; a hash stands or falls with how it is written again.

    What the reference encoder would write in just this way stays a float. What else has an exponent and denotes an
    integer is that integer: the specification's own example turns 1e10 into 10000000000.
    """
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise OverflowError(text)
    digits, _, exponent = text.lower().partition("e")
    if repr(number) == text or "." in digits or exponent.startswith("-"):
        return number
    return int(digits) * 10 ** int(exponent) if number else 0


_ENCODE = msgspec.json.Encoder(order="sorted").encode
_DECODE = msgspec.json.Decoder(float_hook=_parse_float).decode


# The two walks run for every event sent. They look at each member before they descend, which halves their time.


def _holds_float(value: Any) -> bool:
    kind = type(value)
    if kind is not dict and kind is not list:
        return kind is float
    for member in value.values() if kind is dict else value:
        kind = type(member)
        if kind is float or ((kind is dict or kind is list) and _holds_float(member)):
            return True
    return False


def _is_canonical(value: Any) -> bool:
    kind = type(value)
    if kind is not dict and kind is not list:
        return kind is str or kind is bool or value is None or (kind is int and abs(value) <= MAX_INTEGER)
    for member in value.values() if kind is dict else value:
        if type(member) is not str and not _is_canonical(member):
            return False
    return True


def _find_offender(value: Any) -> list[str] | None:
    """The path to the first member that is not canonical; None if there is none."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return None if _is_canonical(value) else []
    for name, member in value.items() if kind is dict else enumerate(value):
        path = _find_offender(member)
        if path is not None:
            return [str(name), *path]
    return None


def _too_deep(limit: int) -> BadJson:
    return BadJson(f"The JSON is nested deeper than {limit} levels")
