"""Every option is read by the server: the configuration never offers what nothing does.

An option counts as read where the code names it as a member (`config.limits.event_page`). Some names, such as
`enabled`, belong to several sections; of those the section must be named before it, or be the class itself.
"""

import ast
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from oriz_matrix.base.config.describe import inner_section, option_paths
from oriz_matrix.base.config.limits import RATE_KINDS
from oriz_matrix.base.config.model import Config
from tests.architecture.sources import package

ONLY_DESCRIBING = ("oriz_matrix/base/config/checks.py",)
"""What reads options only to complain of them."""


def reads() -> Iterator[tuple[str, str]]:
    """(what it is a member of, its name) of every member that the code reads; `self` is told by its class."""
    for source in package():
        if source.name not in ONLY_DESCRIBING:
            yield from _reads(source.tree, "")


def _reads(node: ast.AST, inside: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Attribute) and isinstance(child.ctx, ast.Load):
            owner = ast.unparse(child.value).rpartition(".")[2].strip("_")
            yield (inside if owner == "self" else owner), child.attr
        yield from _reads(child, child.name.lower() if isinstance(child, ast.ClassDef) else inside)


def sections(section: type[msgspec.Struct] = Config, name: str = "config") -> Iterator[tuple[str, str, set[str]]]:
    """(path, option, names of its section) of every option that holds no other options."""
    for field in msgspec.structs.fields(section):
        inner = inner_section(field)
        if inner is None or not list(option_paths(inner)):
            yield f"{name}.{field.name}", field.name, {name.rpartition(".")[2], section.__name__.lower()}
        elif field.name not in RATE_KINDS:
            yield from sections(inner, f"{name}.{field.name}")


READS = frozenset(reads())
OPTIONS = list(sections())
SHARED = {option for option, count in Counter(option for _, option, _ in OPTIONS).items() if count > 1}


@pytest.mark.parametrize(("path", "option", "owners"), OPTIONS, ids=[path for path, _, _ in OPTIONS])
def test_an_option_is_read(path: str, option: str, owners: set[str]) -> None:
    if option.endswith("_file") and any(other == path.removesuffix("_file") for other, _, _ in OPTIONS):
        return  # the file of a secret: `secret_sources.py` reads them all
    assert any(name == option and (option not in SHARED or owner in owners) for owner, name in READS)
