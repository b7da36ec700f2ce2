"""Rules of style that no linter knows: each file says what it is for, nothing is left for later without its reason."""

import ast
import io
import re
import tokenize

from tests.architecture.sources import Source, everything, package

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "handler", "handlers", "common", "misc"}

LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\([^)]{8,}\): )")
"""A mark for later that lacks its reason: `TODO(the reason): what is to be done`."""


def test_every_module_says_what_it_is_for() -> None:
    assert [source.name for source in everything() if not ast.get_docstring(source.tree)] == []


def test_nothing_is_left_for_later_without_its_reason() -> None:
    found = [
        f"{source.name}:{line}" for source in everything() for line, text in _comments(source) if LATER.search(text)
    ]
    assert found == []


def test_files_are_named_for_a_subject() -> None:
    names = [source.name for source in package() if EMPTY_NAMES & {source.path.stem, source.path.parent.name}]
    assert names == []


def test_no_globals_and_no_detours_for_types() -> None:
    assert [complaint for source in package() for complaint in _detours(source)] == []


def _detours(source: Source) -> list[str]:
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            found.append(source.at(node, "a global that changes"))
        if isinstance(node, ast.Name | ast.Attribute) and "TYPE_CHECKING" in ast.unparse(node):
            found.append(source.at(node, "an import that only types see hides a cycle"))
    return found


def _comments(source: Source) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
