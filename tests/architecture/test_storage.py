"""Who may touch the database, and how: SQL in storage only, engines in the dialects only, the transaction first."""

import ast
import re

from tests.architecture.sources import Source, package, parameters

MAY_NAME_ENGINES = (
    "oriz_matrix/storage/dialects/",
    "oriz_matrix/base/config/",  # the operator chooses
    "oriz_matrix/app/database.py",  # the choice is carried out
)

ENGINE = re.compile("sqlite|postgres|psycopg", re.IGNORECASE)

SQL = re.compile(
    r"\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+(RECURSIVE\s+)?\w+(\s*\([^)]*\))?\s+AS\s"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|(UNIQUE\s+)?INDEX|SEQUENCE)\s)"
)


def test_only_the_dialects_know_the_engines() -> None:
    assert [complaint for source in package() for complaint in _engines(source)] == []


def test_sql_stands_in_storage_only() -> None:
    outside = [source for source in package() if not source.name.startswith("oriz_matrix/storage/")]
    assert [
        source.at(text, "SQL") for source in outside for text in source.strings() if SQL.match(str(text.value))
    ] == []


def test_a_function_that_takes_a_transaction_takes_it_first_and_cannot_wait() -> None:
    assert [complaint for source in package() for complaint in _transactions(source)] == []


def _engines(source: Source) -> list[str]:
    if source.name.startswith(MAY_NAME_ENGINES):
        return []
    return [source.at(node, f"names an engine: {name}") for node, name in _names(source) if ENGINE.search(name)] + [
        source.at(node, "decides by the engine")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Compare) and re.search(r"\bengine\b", ast.unparse(node), re.IGNORECASE)
    ]


def _names(source: Source) -> list[tuple[ast.stmt | ast.expr, str]]:
    """Whatever the code calls by name: variables, members, imports, texts."""
    found: list[tuple[ast.stmt | ast.expr, str]] = [(node, str(node.value)) for node in source.strings()]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name):
            found.append((node, node.id))
        elif isinstance(node, ast.Attribute):
            found.append((node, node.attr))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.append((node, ast.unparse(node)))
    return found


def _transactions(source: Source) -> list[str]:
    found = []
    for name, function in source.functions():
        names = parameters(function)
        if "tx" not in names:
            continue
        if names[0] != "tx":
            found.append(source.at(function, f"{name} takes tx, and not first"))
        if isinstance(function, ast.AsyncFunctionDef):
            found.append(source.at(function, f"{name} takes tx and could wait while the transaction is open"))
    return found
