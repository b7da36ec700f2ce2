"""Glob patterns: `*` stands for any run of characters, `?` for exactly one. Source: appendices, "Glob-style matching".

Every matcher runs in time linear in the text, whatever the pattern: a run of `*` never backtracks, because the
leftmost place of each part between two `*` is as good as any other (atomic groups keep the engine to it).
"""

import re
from collections.abc import Callable

Matcher = Callable[[str], bool]
"""Whether a text matches the pattern that the matcher was made from."""

_WORD = "(?-i:[A-Za-z0-9_])"  # ASCII even when the rest ignores case: no U+212A for k
_BOUNDARY = f"(?:(?<!{_WORD})|(?!{_WORD}))"
_FLAGS = re.DOTALL | re.IGNORECASE


def match_whole(pattern: str) -> Matcher:
    """A matcher for the entire text, ignoring case: what push rules call `event_match`."""
    if "*" not in pattern and "?" not in pattern:
        lowered = pattern.lower()
        return lambda text: text == pattern or text.lower() == lowered
    return _whole(_parts(pattern), _FLAGS)


def match_words(pattern: str) -> Matcher:
    """A matcher for any part of the text that starts and ends at a word boundary, ignoring case.

    A place is a boundary where the text starts or ends, or where the character on either side is not one of
    A-Z, a-z, 0-9 and _ (push notifications, "event_match").
    """
    head, *middle = _parts(pattern)
    if not middle:
        return _tester(re.compile(_BOUNDARY + head + _BOUNDARY, _FLAGS).search)
    *middle, tail = middle
    start = f"(?>.*?{_BOUNDARY}{head})"
    return _tester(re.compile(start + _leftmost(middle) + f".*?{tail}{_BOUNDARY}", _FLAGS).match)


def match_phrase(phrase: str) -> Matcher:
    """Like `match_words` for a text that is no pattern, such as a display name."""
    return _tester(re.compile(_BOUNDARY + re.escape(phrase) + _BOUNDARY, _FLAGS).search)


def match_type(pattern: str) -> Matcher:
    """A matcher for event types in filters: case counts, and only `*` is special (client-server API, "Filtering")."""
    return _whole([re.escape(part) for part in pattern.split("*")], re.DOTALL)


def _parts(pattern: str) -> list[str]:
    """The regular expressions of what stands between the stars."""
    return [".".join(re.escape(text) for text in part.split("?")) for part in pattern.split("*")]


def _leftmost(parts: list[str]) -> str:
    return "".join(f"(?>.*?{part})" for part in parts if part)


def _whole(parts: list[str], flags: int) -> Matcher:
    head, *middle = parts
    if not middle:
        return _tester(re.compile(head, flags).fullmatch)
    *middle, tail = middle
    return _tester(re.compile(head + _leftmost(middle) + ".*" + tail, flags).fullmatch)


def _tester(search: Callable[[str], re.Match[str] | None]) -> Matcher:
    return lambda text: search(text) is not None
