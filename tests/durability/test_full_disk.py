"""The disk of PostgreSQL fills up: a clear error, nothing lost or doubled, and it goes on when there is place again.

For SQLite see tests/storage/test_database.py.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import enterable_folder

UNSHARED = ["unshare", "--mount", "--propagation", "private"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL may enter."""
    made = enterable_folder("oriz-full-disk-")
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("case", ["tables", "log"])
def test_a_full_disk_is_said_so_and_over_when_it_is_over(case: str, folder: Path) -> None:
    if (reason := _why_no_mounts(folder)) is not None:
        pytest.skip(f"this machine makes no small disk for us: {reason}")
    command = [*UNSHARED, sys.executable, "-m", "tests.durability.full_disk", case, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]


def _why_no_mounts(folder: Path) -> str | None:
    """Why a file system of our own cannot be mounted, or None where it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return "unshare or mount is missing"
    tried = subprocess.run(
        [*UNSHARED, "mount", "-t", "tmpfs", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return tried.stderr.strip() or "it failed" if tried.returncode else None
