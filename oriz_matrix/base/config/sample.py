"""Writes `config.example.yaml` and `docs/configuration.md` from the definitions of the options.

The sample is itself a valid configuration that changes no default: what is optional stands there as a comment, an
option as `#name: value` and prose as `# words`, so that removing the `#` alone switches it on.
"""

import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect
from msgspec.structs import FieldInfo

from oriz_matrix.base.config.describe import expected, inner_section, is_expanded, notes, plain
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.secret_sources import variable
from oriz_matrix.base.config.types import AddressSet, Secret

WIDTH = 100
OBVIOUS = ("a text", "a path", "true or false", "a section of options", "a list of texts")
SAMPLE_HEAD = """\
# The configuration of Oriz. Only `server_name` must be given; an option that is commented out shows
# its default, or an example where it has none. Relative paths count from the folder of this file.
# Check your own with: oriz config check --config FILE
"""
REFERENCE_HEAD = """\
# Configuration

Oriz reads one YAML file, named by `--config FILE` or the environment variable `ORIZ_CONFIG`. Only
`server_name` must be given: everything else has a default that is safe in production.
`oriz config check` tells everything that is wrong with a file at once, each fault with its line;
`oriz config sample` prints a sample file.

- **Paths** that are relative count from the folder of the configuration file.
- **Secrets** may stand in the file, in a file of their own (the same option with `_file`), or in an
  environment variable, which wins over both.
- **Unknown options** are refused, so that no slip of the pen is silently ignored.

This page is written by `oriz config sample --reference`.
"""


def sample() -> str:
    """The text of `config.example.yaml`."""
    lines = [SAMPLE_HEAD]
    for field in msgspec.structs.fields(Config):
        lines += [*_sample_option(field, {"server_name": "example.org"}, ""), ""]
    return "\n".join(lines[:-1]) + "\n"


def reference() -> str:
    """The text of `docs/configuration.md`."""
    return "\n".join([REFERENCE_HEAD.rstrip(), *_chapter(Config, "")]) + "\n"


def _sample_option(field: FieldInfo, live: dict[str, Any], indent: str) -> Iterator[str]:
    """The lines of one option; it is commented out unless `live` has a value for it."""
    section = inner_section(field)
    if section is None or not is_expanded(field):
        yield from _prose(_with_form(field), indent + "# ")
        text = f"{field.name}: {_yaml(live.get(field.name, _shown(field)), WIDTH - len(indent) - len(field.name) - 3)}"
        yield from (indent + ("" if field.name in live else "#") + line for line in text.splitlines())
        return
    yield from _prose(_doc(section), indent + "# ")
    yield f"{indent}{field.name}:"
    if isinstance(field.default, tuple):
        for item in field.default:
            yield f"{indent}  -"
            yield from _sample_options(section, _changed(item), indent + "    ")
    else:
        yield from _sample_options(section, {}, indent + "  ")


def _sample_options(section: type[msgspec.Struct], live: dict[str, Any], indent: str) -> Iterator[str]:
    for field in msgspec.structs.fields(section):
        yield from _sample_option(field, live, indent)


def _chapter(section: type[msgspec.Struct], path: str) -> Iterator[str]:
    """The reference of one section, then of those inside it; a section that comes several times is told once."""
    level = min(path.count("."), 1) + 2
    yield from ["", f"{'#' * level} {path}" if path else "## The server", "", *_prose(_doc(section), ""), ""]
    fields = msgspec.structs.fields(section)
    for field in fields:
        if not is_expanded(field):
            yield from _prose("- " + _reference_option(field, path), "", "  ")
    inner = [(field, kind) for field in fields if (kind := inner_section(field)) is not None]
    kinds = [kind for _, kind in inner]
    for index, (field, kind) in enumerate(inner):
        if kind not in kinds[:index]:
            many = "[]" if isinstance(field.default, tuple) else ""
            yield from _chapter(kind, _join(path, field.name + many if kinds.count(kind) == 1 else "*"))


def _reference_option(field: FieldInfo, path: str) -> str:
    info = inspect.type_info(field.type)
    kind = plain(info)
    remarks = [expected(info)]
    if field.required:
        remarks.append("must be given")
    elif field.default is not None:
        remarks.append(f"default `{_yaml(field.default)}`")
    if isinstance(kind, inspect.CustomType) and kind.cls is Secret:
        remarks.append(f"environment `{variable(_join(path, field.name))}`")
    return f"`{field.name}` ({'; '.join(remarks)}): {_says(field)}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _says(field: FieldInfo) -> str:
    return str(notes(inspect.type_info(field.type))["description"])


def _with_form(field: FieldInfo) -> str:
    """What the option says, and what it may be where the value beside it does not show that."""
    info = inspect.type_info(field.type)
    phrase = expected(info)
    return _says(field) if phrase in OBVIOUS else f"{_says(field)} {phrase[0].upper()}{phrase[1:]}."


def _doc(section: type[msgspec.Struct]) -> str:
    return " ".join((section.__doc__ or "").split())


def _shown(field: FieldInfo) -> Any:
    """The default, or else the first example."""
    return field.default if field.default is not None else notes(inspect.type_info(field.type))["examples"][0]


def _changed(section: msgspec.Struct) -> dict[str, Any]:
    """The options of a section that do not have their default."""
    fields = msgspec.structs.fields(section)
    return {each.name: value for each in fields if (value := getattr(section, each.name)) != each.default}


def _yaml(value: Any, width: int = 10**9) -> str:
    text = yaml.safe_dump(_plain(value), default_flow_style=True, sort_keys=False, width=width)
    return text.removesuffix("...\n").rstrip()


def _plain(value: Any) -> Any:
    """The value as it is written in YAML."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, AddressSet):
        return list(value.texts)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value


def _prose(text: str, first: str, following: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if following is None else following,
        break_long_words=False,
        break_on_hyphens=False,
    )
