"""Says in words what an option may be. The complaints of `load.py` and the reference of `sample.py` share them."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect
from msgspec.structs import FieldInfo, fields

from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.types import AddressSet, Secret

PHRASES: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "a text",
    inspect.StructType: "a section of options",
}
CUSTOM = {Path: "a path", Secret: "a text", AddressSet: "a list of IP addresses and networks"}


def plain(kind: inspect.Type) -> inspect.Type:
    """The type without its notes and without "or nothing"."""
    if isinstance(kind, inspect.Metadata):
        return plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        return plain(next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
    return kind


def takes_none(kind: inspect.Type) -> bool:
    """Whether the option may be left empty."""
    if isinstance(kind, inspect.Metadata):
        return takes_none(kind.type)
    return isinstance(kind, inspect.UnionType) and any(isinstance(each, inspect.NoneType) for each in kind.types)


def notes(kind: inspect.Type) -> dict[str, Any]:
    """What the definitions say about the option: `description`, `examples`, `expected`."""
    if isinstance(kind, inspect.Metadata):
        return notes(kind.type) | (kind.extra_json_schema or {}) | (kind.extra or {})
    if isinstance(kind, inspect.UnionType):
        return {name: note for each in kind.types for name, note in notes(each).items()}
    return {}


def expected(kind: inspect.Type) -> str:
    """What the option may be, as a phrase: "an integer from 0 to 65535"."""
    said = notes(kind).get("expected")
    return str(said) if said is not None else _phrase(plain(kind))


def _phrase(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _number(kind)
    if isinstance(kind, inspect.EnumType):
        return "one of " + ", ".join(choices(kind.cls))
    if isinstance(kind, inspect.VarTupleType):
        return _list(plain(kind.item_type))
    if isinstance(kind, inspect.CustomType):
        return CUSTOM[kind.cls]
    return PHRASES[type(kind)]


def choices(cls: type[Enum]) -> list[str]:
    """The words that an enumeration allows."""
    return [str(member.value) for member in cls]


def expected_item(kind: inspect.Type) -> str | None:
    """What each item of a list may be; None if the option is no list."""
    match plain(kind):
        case inspect.VarTupleType(item_type=item):
            return expected(item)
        case inspect.CustomType(cls=cls) if cls is AddressSet:
            return "an IP address, or a network such as 10.0.0.0/8"
        case _:
            return None


def nearest_choice(word: str, kind: inspect.Type) -> str | None:
    """The word of an enumeration, or of a list of its words, that was probably meant."""
    chosen = plain(kind)
    item = plain(chosen.item_type) if isinstance(chosen, inspect.VarTupleType) else chosen
    return _nearest(word, choices(item.cls)) if isinstance(item, inspect.EnumType) else None


def nearest_name(name: str, section: type[msgspec.Struct]) -> str | None:
    """The option that was probably meant by a name: one of the section, or else one from elsewhere, with its path."""
    close = _nearest(name, section.__struct_fields__)
    if close is not None:
        return close
    elsewhere = {option.rpartition(".")[2]: option for option in reversed(list(option_paths(Config)))}
    found = _nearest(name, list(elsewhere), sure=True)
    return elsewhere[found] if found is not None else None


def inner_section(field: FieldInfo) -> type[msgspec.Struct] | None:
    """The section that an option holds, or of which it holds a list."""
    kind = plain(inspect.type_info(field.type))
    item = plain(kind.item_type) if isinstance(kind, inspect.VarTupleType) else kind
    return item.cls if isinstance(item, inspect.StructType) else None


def is_expanded(field: FieldInfo) -> bool:
    """Whether an option is a section that exists although no file names it, made of its options' own defaults."""
    section = inner_section(field)
    return section is not None and field.default is not None and not any(each.required for each in fields(section))


def option_paths(section: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    """The dotted paths of all options in a section and below it."""
    for field in fields(section):
        option = path + field.name
        yield option
        inner = inner_section(field)
        if inner is not None:
            yield from option_paths(inner, f"{option}[]." if isinstance(field.default, tuple) else f"{option}.")


def _nearest(word: str, words: Sequence[str], *, sure: bool = False) -> str | None:
    close = get_close_matches(word, words, n=1, cutoff=0.85 if sure else 0.6)
    return close[0] if close else None


def _number(kind: inspect.IntType | inspect.FloatType) -> str:
    word = "an integer" if isinstance(kind, inspect.IntType) else "a number"
    if kind.le is not None:
        return f"{word} from {kind.ge} to {kind.le}"
    return word if kind.ge is None else f"{word} of at least {kind.ge}"


def _list(item: inspect.Type) -> str:
    if isinstance(item, inspect.EnumType):
        return "a list of " + ", ".join(choices(item.cls))
    return "a list of sections" if isinstance(item, inspect.StructType) else "a list of texts"
