"""What all tests share: the run's PostgreSQL databases, and how hard the generated tests try.

`./dev test` runs the quick form; `./dev soak` the long one: it repeats each test marked `soak` until its time is over.
"""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

from tests.support.databases import Databases, run_folder

FOLDER_VARIABLE = "ORIZ_TEST_RUN"
"""Tells the run's folder to the processes that pytest-xdist starts."""

pytest.register_assert_rewrite("tests.plays")  # what they assert is shown with its values, as in tests

settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("ci", deadline=None, max_examples=200, print_blob=True)
settings.register_profile("soak", deadline=None, max_examples=200, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "quick")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run, in the one process that started it; a test of PostgreSQL then costs nothing until it is asked."""
    if hasattr(config, "workerinput"):
        return
    run = ExitStack()
    os.environ[FOLDER_VARIABLE] = str(run.enter_context(run_folder()))
    config.add_cleanup(run.close)
    signal.signal(signal.SIGTERM, _stop)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """End as for Ctrl-C: fixtures are torn down and servers stopped."""
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def postgres() -> Databases:
    """The PostgreSQL databases of this run."""
    return Databases(Path(os.environ[FOLDER_VARIABLE]))
