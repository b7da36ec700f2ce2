"""Runs the random tests for long, with new seeds, within a number of minutes.

  ./dev soak [--minutes N] [NAME ...]

The minutes (default: 10) are shared evenly among the tests that carry the marker `soak`; those of a test that runs in
several forms, such as on both engines, are shared among its forms. Names choose some of them, as with `pytest -k`. What
fails prints its seed or its example once more at the end, to be kept as a test: of a test that draws from
`tests.support.soak` the seed, which `ORIZ_SOAK_SEED` gives again; of a generated one the falsifying example, for
`@example(...)`.

This module is also the plugin that `./dev soak` gives to pytest.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from tests.support.soak import MINUTES, SEED

ROOT = Path(__file__).parents[2]
TO_KEEP = re.compile(
    rf"{SEED}=\d+|(?:Failing test case|Falsifying example): (?:.|\n)*?^E +\)$|@reproduce_failure\(.*?\)", re.MULTILINE
)
"""What random tests say of themselves when they fail; hypothesis has changed the words for an example once."""
SHARE = pytest.StashKey[float]()


def main(arguments: Sequence[str]) -> int:
    """Carry out one command line and return pytest's exit code."""
    parser = argparse.ArgumentParser(
        prog="dev soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="in all; default: 10")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a test's name, file or folder")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error("--minutes must be more than 0")
    command = [sys.executable, "-m", "pytest", "-v", "-p", __spec__.name, "--hypothesis-profile=soak", "-m", "soak"]
    command += ["--soak-minutes", str(options.minutes)]
    command += ["-k", " or ".join(options.names)] if options.names else []
    return subprocess.call([*command, "tests"], cwd=ROOT)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The minutes in all."""
    parser.addoption("--soak-minutes", type=float, default=10.0, help="for all random tests together")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Shares the time among the tests that were chosen."""
    forms = Counter(_function(item) for item in session.items)
    for item in session.items:
        minutes = session.config.getoption("--soak-minutes") / len(forms) / forms[_function(item)]
        item.stash[SHARE] = minutes
        if isinstance(item, pytest.Function) and getattr(item.obj, "is_hypothesis_test", False):
            item.obj = _again_and_again(item.obj, minutes * 60)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Tells a test that measures its own time how much it has."""
    os.environ[MINUTES] = str(item.stash[SHARE])
    try:
        return (yield)
    finally:
        del os.environ[MINUTES]


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Repeats of each failure what makes it happen again."""
    for report in terminalreporter.getreports("failed"):
        told = f"{report.capstdout}\n{report.longreprtext}"
        terminalreporter.section(f"keep as a test: {report.nodeid}", "-")
        for said in dict.fromkeys(TO_KEEP.findall(told)):
            terminalreporter.write_line(re.sub(r"^E {3}", "", said, flags=re.MULTILINE))


def _function(item: pytest.Item) -> str:
    """A test's name without the form it takes."""
    return item.nodeid.partition("[")[0]


def _again_and_again(test: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """A generated test that is run with fresh examples until its time is over."""

    @wraps(test)
    def repeated(**arguments: Any) -> None:
        end = time.monotonic() + seconds
        while True:
            test(**arguments)
            if time.monotonic() >= end:
                return

    return repeated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
