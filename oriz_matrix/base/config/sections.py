"""Turns YAML nodes into sections, one option at a time, and goes on after each fault so that all are found.

Where an option stands in the file is remembered, so that later complaints about it can name its line.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect
from msgspec.structs import FieldInfo

from oriz_matrix.base.config import secret_sources, yaml_nodes
from oriz_matrix.base.config.describe import (
    expected,
    expected_item,
    is_expanded,
    nearest_choice,
    nearest_name,
    plain,
    takes_none,
)
from oriz_matrix.base.config.problems import Problem
from oriz_matrix.base.config.types import AddressSet, Secret


class Wrong(Exception):
    """An option, or something inside a section, is wrong; the complaint was made already."""


class Reader:
    """Reads the nodes of one file; `problems` are the faults so far.

    Relative paths are taken from `folder`, secrets also from `environment`.
    """

    def __init__(self, file: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._folder = folder
        self._environment = environment
        self._lines: dict[str, int] = {"": 1}

    def complain(self, option: str, message: str, nearest: str | None = None, node: yaml.Node | None = None) -> None:
        """Note a fault: at the node, or where the option stands, or else the section around it."""
        line = yaml_nodes.line(node) if node is not None else self._line(option)
        self.problems.append(Problem(file=self._file, line=line, option=option, message=message, nearest=nearest))

    def options(self, cls: type[msgspec.Struct], node: yaml.Node | None, path: str = "") -> dict[str, Any]:
        """The options of a section that are right, given or by default; complains about all others."""
        given = self._given(cls, node, path)
        right = {}
        for field in msgspec.structs.fields(cls):
            with suppress(Wrong):
                right[field.name] = self._option(field, given.get(field.name), _inside(path, field.name))
        self._find_secrets(right, path)
        return right

    def _section(self, cls: type[msgspec.Struct], node: yaml.Node | None, path: str) -> msgspec.Struct:
        right = self.options(cls, node, path)
        if len(right) < len(cls.__struct_fields__):
            raise Wrong
        return cls(**right)

    def _given(self, cls: type[msgspec.Struct], node: yaml.Node | None, path: str) -> dict[str, yaml.Node]:
        """What the file says, by name; complains about what is unknown and what comes twice."""
        if node is None or yaml_nodes.is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.complain(path, f"expected a section of options, found {yaml_nodes.shown(node)}", node=node)
            raise Wrong
        given: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else yaml_nodes.shown(key)
            option = _inside(path, name)
            if name not in cls.__struct_fields__:
                self.complain(option, "there is no such option", nearest_name(name, cls), key)
            elif name in given:
                self.complain(option, f"is given twice, first on line {self._lines[option]}", node=key)
            else:
                given[name] = value
                self._lines[option] = yaml_nodes.line(key)
        return given

    def _option(self, field: FieldInfo, node: yaml.Node | None, path: str) -> Any:
        info = inspect.type_info(field.type)
        kind = plain(info)
        if node is not None and yaml_nodes.is_null(node) and takes_none(info):
            return None
        if isinstance(kind, inspect.StructType) and (node is not None or is_expanded(field)):
            return self._section(kind.cls, node, path)
        if node is None:
            return self._default(field, info, path)
        if isinstance(kind, inspect.VarTupleType) and isinstance(plain(kind.item_type), inspect.StructType):
            return self._sections(kind, node, path)
        return self._value(field, node, path)

    def _default(self, field: FieldInfo, info: inspect.Type, path: str) -> Any:
        if field.required:
            self.complain(path, f"is missing; expected {expected(info)}")
            raise Wrong
        return self._folder / field.default if isinstance(field.default, Path) else field.default

    def _sections(self, kind: inspect.VarTupleType, node: yaml.Node, path: str) -> tuple[msgspec.Struct, ...]:
        item = plain(kind.item_type)
        assert isinstance(item, inspect.StructType)
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            found = "an empty one" if isinstance(node, yaml.SequenceNode) else yaml_nodes.shown(node)
            self.complain(path, f"expected a list of sections, found {found}", node=node)
            raise Wrong
        right = []
        for index, each in enumerate(node.value):
            place = f"{path}[{index}]"
            self._lines[place] = yaml_nodes.line(each)
            with suppress(Wrong):
                right.append(self._section(item.cls, each, place))
        if len(right) < len(node.value):
            raise Wrong
        return tuple(right)

    def _value(self, field: FieldInfo, node: yaml.Node, path: str) -> Any:
        try:
            return self._convert(field.type, yaml_nodes.value(node))
        except (msgspec.ValidationError, ValueError):
            self._complain_of_value(field, node, path)
            raise Wrong from None

    def _complain_of_value(self, field: FieldInfo, node: yaml.Node, path: str) -> None:
        """Name the wrong items of a list, or else the value as a whole."""
        info = inspect.type_info(field.type)
        items = list(enumerate(node.value)) if isinstance(node, yaml.SequenceNode) and expected_item(info) else []
        wrong = [(index, each) for index, each in items if not self._fits(field.type, [each])]
        for index, each in wrong:
            message = f"expected {expected_item(info)}, found {yaml_nodes.shown(each)}"
            self.complain(f"{path}[{index}]", message, nearest_choice(yaml_nodes.word(each), info), each)
        if not wrong:
            hidden = getattr(plain(info), "cls", None) is Secret
            found = "something else" if hidden else yaml_nodes.shown(node)
            self.complain(
                path, f"expected {expected(info)}, found {found}", nearest_choice(yaml_nodes.word(node), info), node
            )

    def _fits(self, kind: Any, nodes: list[yaml.Node]) -> bool:
        try:
            self._convert(kind, [yaml_nodes.value(node) for node in nodes])
        except (msgspec.ValidationError, ValueError):
            return False
        return True

    def _convert(self, kind: Any, value: Any) -> Any:
        return msgspec.convert(value, kind, dec_hook=self._custom)

    def _custom(self, cls: type, value: Any) -> Any:
        """One of our own kinds of values; msgspec turns the ValueError into its own."""
        if cls is AddressSet and isinstance(value, list) and all(isinstance(each, str) for each in value):
            return AddressSet(value)
        if cls is Path and isinstance(value, str) and value and "\0" not in value:
            return self._folder / value
        if cls is Secret and isinstance(value, str) and value:
            return Secret(value)
        raise ValueError("wrong kind of value")

    def _find_secrets(self, right: dict[str, Any], path: str) -> None:
        """Replace each secret of a section by what its file or the environment says."""
        files = [name for name in right if name.endswith("_file") and name.removesuffix("_file") in right]
        for file in files:
            name = file.removesuffix("_file")
            option = _inside(path, name)
            try:
                right[name] = secret_sources.find(option, right[name], right[file], self._environment)
            except ValueError as error:
                self.complain(option, str(error))
                del right[name]

    def _line(self, option: str) -> int:
        while option not in self._lines:
            option = option.rpartition("[" if option.endswith("]") else ".")[0]
        return self._lines[option]


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
