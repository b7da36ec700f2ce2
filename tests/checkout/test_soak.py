"""`./dev soak`: the time is shared, generated tests are repeated with fresh examples, and what failed can be kept."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RANDOM_TESTS = """
import os, time
import pytest
from hypothesis import given, settings, strategies as st
from tests.support import soak

seen = set()

@pytest.mark.soak
@settings(max_examples=5, database=None, derandomize=False)
@given(st.integers())
def test_generated(number):
    seen.add(number)

@pytest.mark.soak
@pytest.mark.parametrize("engine", ["one", "other"])
def test_timed(engine):
    print(f"{engine}: {soak.seconds(99):.2f} s, {len(seen) > 5}")
    soak.random_source()
    assert engine != "other"

@pytest.mark.soak
@settings(print_blob=True, database=None, derandomize=False)
@given(st.integers())
def test_broken(number):
    assert number < 1000

def test_that_is_not_random():
    raise AssertionError
"""


@pytest.fixture
def output(tmp_path: Path) -> str:
    """What is printed when half of the random tests fail within 0.03 minutes, which are 0.6 s for each of three."""
    tests = tmp_path / "test_random.py"
    tests.write_text(RANDOM_TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.soak_run", "--soak-minutes", "0.03", "-m", "soak"]
    plugins = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    options = ["-rA", "-o", "markers=soak", *plugins, "-c", "/dev/null", "--rootdir", str(tmp_path)]
    done = subprocess.run([*command, *options, tests], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_the_time_is_shared_and_failures_can_be_repeated(output: str) -> None:
    assert "1 deselected" in output
    assert "one: 0.30 s, True" in output
    assert "other: 0.30 s" in output
    timed, broken = re.findall(r"-+ keep as a test: (?:.|\n)*?(?=\n[-=])", output)
    assert "test_timed[other]" in timed
    assert re.search(r"ORIZ_SOAK_SEED=\d+", timed)
    assert "@reproduce_failure(" in broken
    assert "number=1000" in broken
