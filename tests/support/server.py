"""A throw-away server on 127.0.0.1, for benchmarks, test suites and demonstrations.

  ./dev server start --dir DIR --port P [--tls-port P] [--server-name NAME] [--db sqlite|postgres] [--pg-port P]
                     [--presence] [--extra FILE] [--oriz PROGRAM]
  ./dev server stop --dir DIR [--delete] [--keep-db]

`start` prints one line of JSON, and keeps it in DIR/state.json:

  url, pid          where the server answers, and its process
  db_pid, pg_data   PostgreSQL's process and data folder, or null
  secret            for registration by shared secret
  server_name, db   as chosen
  exec              the command that starts the server again in the foreground, on the same data, from any folder

It is open on purpose: no rate limits, cheap hashes of passwords, registration for everybody, no certificate and no
address refused. What it keeps is as durable as in production.
"""

import argparse
import http.client
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.certificates import write_certificate
from tests.support.postgres import Cluster
from tests.support.postgres_programs import PostgresFailed, find_programs

SECRET = "throw-away-shared-secret"
MARK = ".throw-away-server"
"""A file that says that the folder is ours, and may be emptied."""

START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.01


class Refused(Exception):
    """The command cannot be carried out; the text says why."""


def main(arguments: Sequence[str]) -> int:
    """Carry out one command line and return the exit code: 0, 1 for what went wrong, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    options.dir = options.dir.absolute()
    try:
        if options.action == "start":
            print(json.dumps(start(options)))
        else:
            stop(options.dir, delete=options.delete, keep_database=options.keep_db)
    except (Refused, PostgresFailed, OSError) as error:
        print(f"dev server {options.action}: {error}", file=sys.stderr)
        return 1
    return 0


def start(options: argparse.Namespace) -> dict[str, Any]:
    """Start a server on new data, and return its state once it answers."""
    folder: Path = options.dir
    _make_empty(folder)
    cluster = _start_cluster(folder, options.pg_port) if options.db == "postgres" else None
    config = configuration(options, cluster.url() if cluster else None)
    (folder / "oriz.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    command = [str(options.oriz.absolute()), "run", "--config", str(folder / "oriz.yaml")]
    process = _launch(command, folder / "server.log")
    state = {
        "url": f"http://127.0.0.1:{options.port}",
        "pid": process.pid,
        "db_pid": cluster.pid if cluster else None,
        "secret": SECRET,
        "server_name": config["server_name"],
        "db": options.db,
        "exec": shlex.join(command),
        "pg_data": str(cluster.data) if cluster else None,
    }
    (folder / "state.json").write_text(json.dumps(state))
    try:
        _await_answer(process, options.port, folder / "server.log")
    except Refused:
        stop(folder)
        raise
    return state


def stop(folder: Path, *, delete: bool = False, keep_database: bool = False) -> None:
    """Stop the server of this folder and its PostgreSQL, and `delete` the folder; it may have ended already."""
    if not (folder / MARK).exists():
        raise Refused(f"{folder} is not the folder of a throw-away server")
    state = _state(folder)
    if "pid" in state:
        _end_process(state["pid"], folder)
    if state.get("pg_data") and not keep_database:
        cluster = Cluster(Path(state["pg_data"]).parent)
        cluster.stop()
        if delete:
            shutil.rmtree(cluster.folder)
    if delete:
        shutil.rmtree(folder)


def configuration(options: argparse.Namespace, database_url: str | None) -> dict[str, Any]:
    """The server's configuration: all that is built is on, nothing is limited; --extra is merged over it."""
    folder: Path = options.dir
    surfaces = ["client", "federation"]
    listeners: list[dict[str, Any]] = [{"port": options.port, "surfaces": [*surfaces, "metrics"]}]
    if options.tls_port:
        files = {"certificate": folder / "tls.crt", "key": folder / "tls.key"}
        write_certificate(**files)
        tls = {name: str(path) for name, path in files.items()}
        listeners.append({"port": options.tls_port, "surfaces": surfaces, "tls": tls})
    config = {
        "server_name": options.server_name or f"127.0.0.1:{options.tls_port or options.port}",
        "public_base_url": f"http://127.0.0.1:{options.port}",
        "data_dir": str(folder / "data"),
        "database": {"engine": "postgresql", "url": database_url} if database_url else {"engine": "sqlite"},
        "listeners": listeners,
        "registration": {"enabled": True, "without_verification": True, "shared_secret": SECRET, "guests": True},
        "passwords": {"minimum_length": 1, "argon2": {"time_cost": 1, "memory_kib": 8, "parallelism": 1}},
        "limits": {"rates": {"enabled": False}},
        "federation": {"enabled": True, "verify_certificates": False, "forbidden_addresses": []},
        "logging": {"level": "warning"},
    }
    return merged(config, yaml.safe_load(options.extra.read_text()) or {}) if options.extra else config


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both configurations in one: sections are merged, of anything else that is in both the one above counts."""
    result = dict(below)
    for name, value in above.items():
        under = result.get(name)
        result[name] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


def _make_empty(folder: Path) -> None:
    """Make the folder, or empty it where it belonged to a server like this, which is stopped."""
    if (folder / MARK).exists():
        stop(folder, delete=True)
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty, and not the folder of a throw-away server")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _start_cluster(folder: Path, port: int) -> Cluster:
    """A durable PostgreSQL inside the folder, or, where its user may not enter that, among the temporary files."""
    programs = find_programs()
    inside = folder / "postgres"
    outside = Path(tempfile.gettempdir()) / f"oriz-server-{secrets.token_hex(6)}"
    cluster = Cluster(inside if programs.can_enter(folder) else outside, programs)
    cluster.create(durable=True)
    (folder / "state.json").write_text(json.dumps({"pg_data": str(cluster.data)}))
    cluster.start(port)
    return cluster


def _launch(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, so that it outlives the terminal.

    Variables that would change its configuration, or where it is imported from, stay behind.
    """
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("ORIZ_")
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-20:]
            raise Refused("\n".join([f"the server ended with code {process.returncode}:", *last]))
        if _answers(port):
            return
        time.sleep(POLL_SECONDS)
    raise Refused(f"the server does not answer after {START_SECONDS:.0f} seconds; its log is {log}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_matrix/client/versions")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _state(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return {}
    return state


def _end_process(pid: int, folder: Path) -> None:
    """End the server gracefully, or after a time by force."""
    if not _is_ours(pid, folder):
        return
    deadline = time.monotonic() + STOP_SECONDS
    os.kill(pid, signal.SIGTERM)
    while time.monotonic() < deadline:
        if not _is_ours(pid, folder):
            return
        time.sleep(POLL_SECONDS)
    os.kill(pid, signal.SIGKILL)


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether this is the folder's server, still running: the system gives the numbers of ended processes to others."""
    try:
        return str(folder / "oriz.yaml").encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev server", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    begin = actions.add_parser("start", help="start a server on new data")
    begin.add_argument("--dir", type=Path, required=True, help="its folder: new, empty, or of such a server before")
    begin.add_argument("--port", type=int, required=True, help="for HTTP")
    begin.add_argument("--tls-port", type=int, help="for HTTPS too, with a self-signed certificate for 127.0.0.1")
    begin.add_argument("--server-name", help="default: 127.0.0.1 with the TLS port, or else the port")
    begin.add_argument("--db", choices=["sqlite", "postgres"], default="sqlite", help="default: sqlite")
    begin.add_argument("--pg-port", type=int, default=15432, help="for PostgreSQL; default: 15432")
    begin.add_argument("--presence", action="store_true", help="changes nothing yet: presence is not built")
    begin.add_argument("--extra", type=Path, help="a file of YAML that is merged over the configuration")
    ours = Path(sys.executable).with_name("oriz")
    begin.add_argument("--oriz", type=Path, metavar="PROGRAM", default=ours, help="default: that of this environment")
    end = actions.add_parser("stop", help="stop a server")
    end.add_argument("--dir", type=Path, required=True, help="its folder")
    end.add_argument("--delete", action="store_true", help="delete the folder")
    end.add_argument("--keep-db", action="store_true", help="leave PostgreSQL running, for the command `exec`")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
