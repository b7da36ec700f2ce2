"""Functions, files and parameter lists stay small; what is too large already may only shrink."""

from tests.architecture.sources import everything, parameters

LINES_OF_A_FUNCTION = 60
LINES_OF_A_FILE = 500
PARAMETERS = 6

EXCEPTIONS: dict[str, int] = {}
"""What is over a limit, with its size, as the failing test prints it. Nothing is added: make it smaller instead."""


def test_what_is_too_large_only_shrinks() -> None:
    assert _too_large() == EXCEPTIONS


def _too_large() -> dict[str, int]:
    """The size of everything that is over its limit."""
    found: dict[str, int] = {}
    for source in everything():
        found[f"{source.name} lines"] = len(source.text.splitlines())
        for name, function in source.functions():
            found[f"{source.name} {name} lines"] = (function.end_lineno or 0) - function.lineno + 1
            # The tests' builders may have many parameters: they are given by name, two or three at a time.
            if not source.name.startswith("tests/"):
                found[f"{source.name} {name} parameters"] = len(parameters(function))
    return {what: size for what, size in found.items() if size > _limit(what)}


def _limit(what: str) -> int:
    if what.endswith("parameters"):
        return PARAMETERS
    return LINES_OF_A_FILE if what.count(" ") == 1 else LINES_OF_A_FUNCTION
