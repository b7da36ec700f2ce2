"""The traps of docs/traps.md, and the tests that catch each: those whose names begin with `test_trap_NN_`.

Plays between servers have `trap_NN_` at the beginning of their names.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TITLE = re.compile(r"^(\d+)\. \*\*(.+?)\.?\*\*", re.MULTILINE)
NAME = re.compile(r"(?:test_)?trap_(\d+)_")

NOT_BUILT: dict[int, str] = {}
"""Traps in areas where nothing stands yet that could fall into them; a test takes a trap off this list by itself."""


def titles() -> dict[int, str]:
    """Number → first sentence of every trap."""
    return {int(number): title for number, title in TITLE.findall((ROOT / "docs" / "traps.md").read_text())}


def tests() -> dict[int, list[tuple[str, str]]]:
    """Number → file and name of every test that catches the trap, in the order of the files."""
    found: dict[int, list[tuple[str, str]]] = {}
    for path in sorted([*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests" / "plays").glob("*.py")]):
        for name in _functions(path):
            match = NAME.match(name)
            if match:
                found.setdefault(int(match[1]), []).append((path.relative_to(ROOT).as_posix(), name))
    return found


def _functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
