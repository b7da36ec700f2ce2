"""The servers take turns, scenario by scenario, so that what the machine does besides hits all of them alike."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.support.bench.contestants import BenchFailed, Contestant, Running, running
from tests.support.bench.measures import ENGINES, FEDERATION, MEMORY_AT_END, STARTUP, figures
from tests.support.bench.results import Results
from tests.support.postgres import enterable_folder

S = TypeVar("S")

SCENARIO_SECONDS = 1800.0


class Plan(NamedTuple):
    """What is to be done: how often, how large, which scenarios, by whom; `loadbench` is the folder of its README.

    The start, if it is among the scenarios, comes last of those that one server plays: it must be down for it, and it
    is measured on the data that the others have left. Federation is played by two of a kind, on data of their own.
    """

    loadbench: Path
    contestants: Sequence[Contestant]
    scenarios: Sequence[str]
    runs: int
    scale: float

    @property
    def last(self) -> str | None:
        """The scenario after which the servers' memory is read: the last that does not start processes of its own."""
        return next((name for name in reversed(self.scenarios) if name not in (STARTUP, FEDERATION)), None)


class Failure(NamedTuple):
    """A scenario that did not come to its end."""

    label: str
    scenario: str
    reason: str


def measure(plan: Plan, results: Results) -> list[Failure]:
    """Runs everything and adds it to the results; what failed. Raises BenchFailed when a server does not start."""
    failures = []
    for run in range(plan.runs):
        for engine in ENGINES:
            contestants = [each for each in plan.contestants if each.engine == engine]
            if contestants:
                print(f"\n=== run {run + 1} of {plan.runs} on {ENGINES[engine]}", flush=True)
                failures += _run(plan, contestants, run, results)
    return failures


def _run(plan: Plan, contestants: Sequence[Contestant], number: int, results: Results) -> list[Failure]:
    """One run of all scenarios on one engine."""
    failures = []
    alone = [scenario for scenario in plan.scenarios if scenario != FEDERATION]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder())
        servers = [stack.enter_context(running(each, folder / each.server)) for each in contestants if alone]
        for turn, scenario in enumerate(alone):
            if scenario == STARTUP:
                for server in servers:
                    server.stop_server()
            for server in _rotated(servers, number + turn):
                failures += _play(plan, server, scenario, results)
    for contestant in _rotated(contestants, number) if FEDERATION in plan.scenarios else ():
        failures += _play_pair(plan, contestant, results)
    return failures


def _play_pair(plan: Plan, contestant: Contestant, results: Results) -> list[Failure]:
    """Federation between two servers of one kind."""
    with _folder() as folder:
        pair = [running(contestant, folder / name, federates=True) for name in ("first", "second")]
        with pair[0] as first, pair[1] as second:
            return _play(plan, first, FEDERATION, results, second)


def _play(plan: Plan, server: Running, scenario: str, results: Results, other: Running | None = None) -> list[Failure]:
    """One scenario on one server, or between it and another; what failed in it."""
    print(f"\n--- {server.contestant.label}: {scenario}", flush=True)
    told = _loadbench(plan, server, scenario, other)
    found = figures(scenario, told["results"])
    if scenario == plan.last and told["meta"]["rss_end_mib"] is not None:
        found[MEMORY_AT_END.key] = {MEMORY_AT_END.figure: told["meta"]["rss_end_mib"]}
    results.add(server.contestant.engine, server.contestant.server, found)
    return [Failure(server.contestant.label, scenario, each["failed"]) for each in told["results"] if "failed" in each]


def _loadbench(plan: Plan, server: Running, scenario: str, other: Running | None) -> dict[str, Any]:
    """What loadbench has found; its own lines go to our output."""
    state, output = server.state, server.folder / "loadbench.json"
    command = [sys.executable, "-m", "loadbench", "--url", state["url"], "--shared-secret", state["secret"]]
    command += ["--scenario", scenario, "--scale", str(plan.scale), "--json", str(output)]
    if scenario == STARTUP:
        command += ["--exec", state["exec"]]
    else:
        command += _processes(state)
    if other is not None:
        command += ["--url-b", other.state["url"], *_processes(other.state, "-b")]
    environment = {**os.environ, "PYTHONPATH": str(plan.loadbench), "PYTHONDONTWRITEBYTECODE": "1"}
    output.unlink(missing_ok=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, timeout=SCENARIO_SECONDS, check=False)
    if not output.exists():
        raise BenchFailed(f"loadbench told nothing of {scenario} on {server.contestant.label}")
    told: dict[str, Any] = json.loads(output.read_bytes())
    return told


def _processes(state: Mapping[str, Any], which: str = "") -> list[str]:
    """The options that name a server's processes."""
    database = [f"--db-pid{which}", str(state["db_pid"])] if state["db_pid"] else []
    return [f"--server-pid{which}", str(state["pid"]), *database]


def _rotated(servers: Sequence[S], by: int) -> list[S]:
    """The same servers, another one first each time."""
    first = by % len(servers)
    return [*servers[first:], *servers[:first]]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for the servers, which PostgreSQL's user can enter."""
    folder = enterable_folder("oriz-bench-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
