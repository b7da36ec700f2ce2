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

MAX_NESTING = 256
"""How deep JSON may be nested; other servers stop between 128 and some 900, and recursive code must survive it."""


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
        raise _too_deep() from None
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadJson(f"The JSON holds a number that is out of range: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJson from None
    if raw.count(b"[") + raw.count(b"{") > MAX_NESTING:
        _check_nesting(value)
    return value


def check_canonical(value: Any) -> None:
    """Raises `BadJson`, naming the place, unless all numbers are integers within ±(2^53-1)."""
    if not _is_canonical(value):
        path = ".".join(_find_offender(value))
        raise BadJson(f"{path or 'The value'} is not an integer between -(2^53-1) and 2^53-1")


def _parse_float(text: str) -> float | int:
    """A number written with a fraction or an exponent; a hash stands or falls with how it is written again.

    What the reference encoder would write in just this way stays a float. What else has an exponent and denotes an
    integer is that integer: the specification's own example turns 1e10 into 10000000000.
    """
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise OverflowError(text)
    if repr(number) != text and "." not in text and number.is_integer():
        digits, _, exponent = text.lower().partition("e")
        return int(digits) * 10 ** int(exponent) if int(exponent) >= 0 else int(number)
    return number


_ENCODE = msgspec.json.Encoder(order="sorted").encode
_DECODE = msgspec.json.Decoder(float_hook=_parse_float).decode


def _holds_float(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return any(type(member) is not str and _holds_float(member) for member in value.values())
    if kind is list:
        return any(type(member) is not str and _holds_float(member) for member in value)
    return kind is float


def _is_canonical(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(member) is str or _is_canonical(member) for member in value.values())
    if kind is list:
        return all(type(member) is str or _is_canonical(member) for member in value)
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    return kind is str or kind is bool or value is None


def _find_offender(value: Any) -> list[str]:
    """The path to the first number that is not canonical."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        if not _is_canonical(member):
            return [str(name), *_find_offender(member)]
    return []


def _check_nesting(value: Any) -> None:
    """Level by level, so that the check itself needs no stack."""
    level = [value]
    for _ in range(MAX_NESTING):
        lists = [member for node in level if type(node) is list for member in node]
        dicts = [member for node in level if type(node) is dict for member in node.values()]
        level = [member for member in lists + dicts if type(member) in (list, dict)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> BadJson:
    return BadJson(f"The JSON is nested deeper than {MAX_NESTING} levels")
