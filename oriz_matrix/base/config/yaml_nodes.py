"""YAML as nodes that know their line, so that every complaint can name one."""

import re
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from oriz_matrix.base.config.problems import Problem

UNPRINTABLE = re.compile(r"[^\x09\x0A\x0D\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
UNQUOTED = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "timestamp")}


class NotYaml(Exception):
    """The text is not YAML at all; `problem` says where it breaks."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def parse(content: bytes, file: str) -> yaml.Node | None:
    """The root node of one YAML document, None for an empty one; raises NotYaml."""
    text = _text(content, file)
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_yaml(
            file, mark.line + 1 if mark else 1, (error.problem or "it breaks off").removeprefix("but ")
        ) from error
    except RecursionError as error:
        raise _not_yaml(file, 1, "it is nested too deeply") from error
    return root


def _text(content: bytes, file: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_yaml(file, content.count(b"\n", 0, error.start) + 1, "it is not in UTF-8") from error
    found = UNPRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise _not_yaml(file, line, f"the character {found.group()!r} is not allowed")
    return text


def _not_yaml(file: str, line: int, reason: str) -> NotYaml:
    return NotYaml(Problem(file=file, line=line, option="", message=f"expected YAML, but {reason}"))


def line(node: yaml.Node) -> int:
    """The line on which the node begins, from 1."""
    return int(node.start_mark.line) + 1


def is_null(node: yaml.Node) -> bool:
    """Whether the node is YAML's null: nothing, `~` or `null`."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def value(node: yaml.Node) -> Any:
    """The node as a plain Python value; raises ValueError if it is of a kind that YAML's safe part lacks."""
    try:
        return SafeConstructor().construct_document(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error


def word(node: yaml.Node) -> str:
    """The node's own text; nothing for a list or section, which aliases can make endless."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def shown(node: yaml.Node) -> str:
    """What stands in the file, short enough for a sentence."""
    if isinstance(node, yaml.MappingNode):
        return "a section"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if is_null(node):
        return "nothing"
    text = str(node.value)
    short = text if len(text) <= 60 else text[:57] + "..."
    return short if node.tag in UNQUOTED else repr(short)
