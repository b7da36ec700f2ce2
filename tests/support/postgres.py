"""A PostgreSQL cluster of our own: made in a folder, listening on 127.0.0.1 only, ended with its folder.

Everybody on this machine may connect to it, without a password: it is for tests, benchmarks and demonstrations.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres_programs import PostgresFailed, Programs, find_programs

USER = "oriz"
ATTEMPTS = 5

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "logging_collector": "off",
}
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Loses data with the machine, not with the process: right for a cluster that does not outlive its tests."""


class Cluster:
    """The cluster whose data is in `folder`/data and whose log is `folder`/log."""

    def __init__(self, folder: Path, programs: Programs | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._programs = programs or find_programs()

    def create(self, *, durable: bool) -> None:
        """Make the folder, which must not exist, and the cluster in it; `durable` as in production, else fast."""
        if not self._programs.can_enter(self.folder.parent):
            user = self._programs.user
            name = user.pw_name if user else "you"
            raise PostgresFailed(f"PostgreSQL runs as the user {name}, who cannot enter {self.folder.parent}")
        self._programs.give(self.folder)
        settings = SETTINGS if durable else SETTINGS | UNSAFE_AND_FAST
        changes = [argument for name, value in settings.items() for argument in ("--set", f"{name}={value}")]
        fixed = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        self._programs.run("initdb", ["-D", self.data, *fixed, *changes])

    def start(self, port: int | None = None) -> None:
        """Start it on this port, or on any that is free; raises PostgresFailed with the end of its log."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start(port or free_port())
            except PostgresFailed:
                # Between the choice of a free port and its use another process may have taken it.
                if port is not None or attempt == ATTEMPTS:
                    raise
            else:
                return

    def stop(self) -> None:
        """End the server, if it runs, and the connections to it."""
        if self.pid is not None:
            self._programs.run("pg_ctl", ["-D", self.data, "-m", "fast", "-w", "stop"])

    def crash(self) -> None:
        """End the server at once, as a loss of power would: what it has not written down is gone."""
        self._programs.run("pg_ctl", ["-D", self.data, "-m", "immediate", "-w", "stop"])

    @property
    def pid(self) -> int | None:
        """The process id of the server (the postmaster), or None where none runs."""
        lines = self._postmaster()
        if not lines:
            return None
        pid = int(lines[0])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:  # the file of a server that was killed
            return None
        return pid

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases; the cluster must run."""
        return f"postgresql://{USER}@127.0.0.1:{int(self._postmaster()[3])}/{database}"

    def _start(self, port: int) -> None:
        log = self.folder / "log"
        try:
            self._programs.run("pg_ctl", ["-D", self.data, "-l", log, "-o", f"-p {port}", "-w", "start"])
        except PostgresFailed as error:
            last = log.read_text().strip().splitlines()[-8:] if log.exists() else []
            raise PostgresFailed("\n".join([str(error), *last])) from None

    def _postmaster(self) -> list[str]:
        """The lines of postmaster.pid: process, data, start, port, ...; empty where no server runs."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def enterable_folder(prefix: str) -> Path:
    """A new folder for temporary files that everybody may enter, as the user who runs PostgreSQL must."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return folder


@contextmanager
def temporary_cluster(*, durable: bool) -> Iterator[Cluster]:
    """A cluster that runs while the block does, and is deleted after it."""
    folder = enterable_folder("oriz-cluster-")
    cluster = Cluster(folder / "postgres")
    try:
        cluster.create(durable=durable)
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
