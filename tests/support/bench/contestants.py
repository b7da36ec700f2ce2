"""The servers that are measured: how each is started and stopped, and what it is made of.

Oriz is started by `./dev server`, in an environment that holds what it needs and nothing of the tests, as on a server:
libraries load others where they find them. Synapse is started by the script beside loadbench. Both take the same words
and print the same line of JSON; both keep what they confirm on disk, with the databases' own settings. Both get the
same PostgreSQL, unless PGBIN names another for Synapse.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.bench.results import ORIZ, SYNAPSE
from tests.support.postgres import free_port
from tests.support.postgres_programs import find_programs

CHECKOUT = Path(__file__).parents[3]
SYNAPSE_SCRIPT = "run-synapse.py"
SERVER_SECONDS = 180.0
"""What a server may take to start, with its database, or to stop."""

PYTHON_AND_SQLITE = (
    "import sys, sqlite3; print('Python', sys.version.split()[0]); print('SQLite', sqlite3.sqlite_version)"
)
ITSELF = {
    ORIZ: "import oriz_matrix; print('Oriz', oriz_matrix.__version__)",
    SYNAPSE: "import importlib.metadata as found; print('Synapse', found.version('matrix-synapse'))",
}


class BenchFailed(Exception):
    """The benchmark cannot go on; the text says why."""


@dataclass(frozen=True)
class Contestant:
    """One server on one engine.

    tool: the command that starts and stops it, without its arguments; options: what `start` wants beside folder, ports
    and engine; python: of the environment it runs in.
    """

    server: str
    engine: str
    tool: tuple[str, ...]
    python: str
    options: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name in what is printed."""
        return f"{self.server} on {self.engine}"

    def call(self, *arguments: str) -> str:
        """Runs the tool; what it printed. Raises BenchFailed with what it said."""
        pgbin = {"PGBIN": str(_postgres_folder(self.server))} if self.engine == "postgres" else {}
        return _output([*self.tool, *arguments], self.label, pgbin)

    def versions(self) -> list[str]:
        """Itself, its Python, and its database: "NAME VERSION" each."""
        lines = _output([self.python, "-c", f"{ITSELF[self.server]}; {PYTHON_AND_SQLITE}"], self.label).splitlines()
        if self.engine == "sqlite":
            return lines
        said = _output([str(_postgres_folder(self.server) / "postgres"), "--version"], "postgres")
        return [*lines[:2], f"PostgreSQL {said.split()[2]}"]


@dataclass
class Running:
    """A contestant that runs; `state` is what its tool printed: url, pid, db_pid, secret, exec and more."""

    contestant: Contestant
    folder: Path
    state: Mapping[str, Any] = field(default_factory=dict)

    def stop_server(self) -> None:
        """Stops the server; its database stays, for the command `exec`."""
        self.contestant.call("stop", "--dir", str(self.folder), "--keep-db")


def install(environment: Path) -> Path:
    """Makes an environment with Oriz as it stands in this checkout; its folder of programs. Raises BenchFailed."""
    _output([sys.executable, "-m", "venv", "--clear", str(environment)], "python -m venv")
    programs = environment / "bin"
    _output([str(programs / "python"), "-m", "pip", "install", "--quiet", str(CHECKOUT)], "pip")
    return programs


def oriz(engine: str, programs: Path) -> Contestant:
    """The Oriz that is installed among these programs."""
    tool = (sys.executable, "-m", "tests.support.server")
    return Contestant(ORIZ, engine, tool, str(programs / "python"), ("--oriz", str(programs / "oriz")))


def synapse(engine: str, loadbench: Path, environment: Path) -> Contestant:
    """The Synapse that is installed in this environment. Raises BenchFailed where it cannot run."""
    if engine == "postgres" and os.geteuid() != 0:
        raise BenchFailed("Synapse on PostgreSQL is started as root only: add --engine sqlite")
    tool = (sys.executable, str(loadbench / SYNAPSE_SCRIPT))
    options = ("--venv", str(environment), "--bcrypt-rounds", "4")
    return Contestant(SYNAPSE, engine, tool, str(environment / "bin" / "python"), options)


@contextmanager
def running(contestant: Contestant, folder: Path, *, federates: bool = False) -> Iterator[Running]:
    """The server on new data in this folder, which is deleted afterwards; others reach it where it federates."""
    place = ["--dir", str(folder), "--port", str(free_port()), "--db", contestant.engine, "--pg-port", str(free_port())]
    place += ["--tls-port", str(free_port())] if federates else []
    try:
        state = json.loads(contestant.call("start", *place, *contestant.options))
        yield Running(contestant, folder, state)
    finally:
        if (folder / "state.json").exists():
            contestant.call("stop", "--dir", str(folder), "--delete")


def _postgres_folder(server: str) -> Path:
    """The folder of the programs of the PostgreSQL that a server gets."""
    return Path(os.environ["PGBIN"]) if server == SYNAPSE and "PGBIN" in os.environ else find_programs().folder


def _output(command: list[str], who: str, more: Mapping[str, str] | None = None) -> str:
    """What a command printed, with `more` in its environment. Raises BenchFailed with all that it said."""
    environment = {**os.environ, **(more or {}), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SERVER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchFailed(f"{who}: {error}") from error
    if done.returncode != 0:
        raise BenchFailed(f"{who}: {' '.join(command)} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
