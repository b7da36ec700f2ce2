"""The source files of Oriz as syntax trees, and what the tests of this folder ask of them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file; `name` is its path below the root, with slashes."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function and method, with its name inside the file (`Class.method`, `outer.inner`)."""
        yield from _functions(self.tree, "")

    def strings(self) -> Iterator[ast.Constant]:
        """Every text in the code; docstrings, and texts that stand alone as such, are not code."""
        prose = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                yield node

    def at(self, node: ast.stmt | ast.expr, what: str) -> str:
        """A complaint with its place."""
        return f"{self.name}:{node.lineno}: {what}"


def package() -> list[Source]:
    """The files of the package."""
    return _below("oriz_matrix")


def everything() -> list[Source]:
    """The files of the package and of its tests, and `dev`."""
    return [*package(), *_below("tests"), Source(ROOT / "dev")]


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters, in order, without `self` and `cls`."""
    given = function.args
    collected = [each for each in (given.vararg, given.kwarg) if each is not None]
    names = [each.arg for each in [*given.posonlyargs, *given.args, *given.kwonlyargs, *collected]]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _below(folder: str) -> list[Source]:
    return [Source(path) for path in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in path.parts]


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name, child
        inner = f"{prefix}{child.name}." if isinstance(child, ast.ClassDef | Function) else prefix
        yield from _functions(child, inner)
