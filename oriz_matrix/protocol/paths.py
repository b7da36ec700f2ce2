"""Dot-separated property paths, such as `content.m\\.relates_to.rel_type`.

A backslash makes the dot or backslash after it literal; before anything else it stands for itself.
Source: appendices, "Dot-separated property paths". Used by push rule conditions and by filters' `event_fields`.
"""

from collections.abc import Mapping
from typing import Any

Path = tuple[str, ...]
"""The property names from the outermost to the innermost."""

ABSENT = object()
"""What `look_up` gives for a property that is not there; null is a value."""


def split_path(text: str) -> Path:
    """The property names of a path; never fails, since every text is a path."""
    names: list[str] = []
    name = ""
    characters = iter(text)
    for character in characters:
        if character == ".":
            names.append(name)
            name = ""
        elif character == "\\":
            following = next(characters, "")
            if following not in {".", "\\"}:
                name += "\\"
            name += following
        else:
            name += character
    return (*names, name)


def look_up(value: Any, path: Path) -> Any:
    """The property at `path` inside a JSON object, or ABSENT."""
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value
