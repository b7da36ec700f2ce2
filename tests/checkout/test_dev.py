"""`dev`: what it says and how it ends, in a copy of its own where it would install something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WITHOUT = """
import importlib.util, runpy, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {module!r} else find_spec(name)
sys.argv = ["dev", "run"]
runpy.run_path({dev!r}, run_name="__main__")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was installed yet."""
    shutil.copy(ROOT / "dev", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_which_package_brings_it(checkout: Path, module: str) -> None:
    done = run(sys.executable, "-c", WITHOUT.format(module=module, dev=str(checkout / "dev")))
    assert done.returncode == 20
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_failed_installation_has_an_exit_code_and_is_not_taken_for_done(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text("this is not TOML")
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, checkout / "dev", "run"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 22
    assert "the installation failed" in done.stderr
    assert not (checkout / ".venv" / "installed-by-dev").exists()
    assert not (checkout / "data").exists()


@pytest.mark.parametrize("arguments", [[], ["dance"], ["run", "fast"], ["check", "nothing"]])
def test_wrong_use_is_explained(arguments: list[str]) -> None:
    done = run(ROOT / "dev", *arguments)
    assert done.returncode == 2
    assert done.stderr
    assert done.stdout == ""


def test_help_is_no_error() -> None:
    done = run(ROOT / "dev", "--help")
    assert done.returncode == 0
    assert "./dev run" in done.stdout
