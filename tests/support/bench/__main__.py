"""Measures Oriz with loadbench, beside Synapse where an environment with it is named.

  ./dev bench LOADBENCH [--synapse VENV] [--runs 3] [--short]
              [--scenario NAME,...] [--engine sqlite|postgres] [--scale 1] [--output FOLDER]
  ./dev bench --own [--runs 3] [--engine sqlite|postgres] [--output FOLDER]
  ./dev bench --redraw [--output FOLDER]

LOADBENCH is the folder that holds loadbench's README. A whole run writes docs/performance.md and the charts and figures
in docs/performance/; it takes hours with Synapse. What is only a part (--short, --scenario, --engine, --scale) is
written to data/bench/ instead, unless --output says where. --short takes under five minutes. --own measures anew what
is not of loadbench and puts it in the place of the figures that are there; --redraw only writes page and charts again.

PostgreSQL is that of the tests, for both servers; PGBIN names another for Synapse.

Exit codes: 0 good; 1 a scenario failed, or a server did not start; 2 wrong use.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.support.bench import beside, page
from tests.support.bench.contestants import SYNAPSE_SCRIPT, BenchFailed, Contestant, install, oriz, synapse
from tests.support.bench.measures import BESIDE, ENGINES, FEDERATION, SCENARIOS, STARTUP
from tests.support.bench.results import ORIZ, About, Results
from tests.support.bench.rounds import Plan, measure
from tests.support.postgres_programs import PostgresFailed

ROOT = Path(__file__).parents[3]
WHOLE, PART = ROOT / "docs", ROOT / "data" / "bench"
ENVIRONMENT = ROOT / "data" / "bench-environment"
RUNS = 3
SHORT = ["create_room", "send_many", "send_to_sync", "initial_sync", "messages", "join"]
SHORT_SCALE = 0.05


def main(arguments: Sequence[str]) -> int:
    """Carry out one command line and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    if options.redraw or options.own:
        return _again(options)
    if options.loadbench is None or not (options.loadbench / "loadbench").is_dir():
        parser.error("name the folder of loadbench, which holds its README and its package")
    if options.synapse and not (options.loadbench / SYNAPSE_SCRIPT).exists():
        parser.error(f"{options.loadbench} lacks {SYNAPSE_SCRIPT}, which starts Synapse")
    try:
        return _bench(options)
    except (BenchFailed, PostgresFailed) as error:
        print(f"dev bench: {error}", file=sys.stderr)
        return 1


def _bench(options: argparse.Namespace) -> int:
    """Measure, and write what was found; what failed stands last."""
    programs = install(ENVIRONMENT)
    plan = _plan(options, programs)
    whole = not options.short and set(plan.scenarios) == set(SCENARIOS) and plan.scale == 1 and not options.engine
    about = About(
        date=datetime.now(UTC).date().isoformat(),
        cores=os.cpu_count() or 0,
        runs=plan.runs,
        scale=plan.scale,
        scenarios=list(plan.scenarios),
        versions=_versions(plan.contestants),
        whole=whole,
    )
    results = Results(about=about, values={})
    failures = measure(plan, results)
    if whole:
        _own(results, list(ENGINES), plan.runs, programs)
    written = page.write(results, options.output or (WHOLE if whole else PART))
    print(f"\n{written.read_text(encoding='utf-8')}\nwritten: {os.path.relpath(written)}")
    for failure in failures:
        print(f"failed: {failure.label}, {failure.scenario}: {failure.reason}")
    return 1 if failures else 0


def _plan(options: argparse.Namespace, programs: Path) -> Plan:
    scenarios = options.scenario.split(",") if options.scenario else SHORT if options.short else SCENARIOS
    contestants: list[Contestant] = []
    for engine in [options.engine] if options.engine else ENGINES:
        contestants.append(oriz(engine, programs))
        if options.synapse:
            contestants.append(synapse(engine, options.loadbench.absolute(), options.synapse.absolute()))
    return Plan(
        loadbench=options.loadbench.absolute(),
        contestants=contestants,
        scenarios=sorted(scenarios, key=lambda name: name in (STARTUP, FEDERATION)),
        runs=options.runs or (1 if options.short else RUNS),
        scale=options.scale or (SHORT_SCALE if options.short else 1.0),
    )


def _versions(contestants: Sequence[Contestant]) -> dict[str, list[str]]:
    """Each server with all that it runs on, over its engines."""
    found: dict[str, dict[str, None]] = {}
    for contestant in contestants:
        found.setdefault(contestant.server, {}).update(dict.fromkeys(contestant.versions()))
    return {server: list(versions) for server, versions in found.items()}


def _again(options: argparse.Namespace) -> int:
    """Write page and charts again from the figures that are there, with our own measured anew if asked for."""
    folder: Path = options.output or WHOLE
    try:
        results = Results.read(folder / page.CHARTS)
        if options.own:
            engines = [options.engine] if options.engine else list(ENGINES)
            _own(results, engines, options.runs or RUNS, install(ENVIRONMENT))
    except (OSError, BenchFailed, PostgresFailed) as error:
        print(f"dev bench: {error}", file=sys.stderr)
        return 1
    print(f"written: {os.path.relpath(page.write(results, folder))}")
    return 0


def _own(results: Results, engines: Sequence[str], runs: int, programs: Path) -> None:
    """Measure what loadbench does not, with the Oriz that is installed there."""
    for engine in engines:
        found = []
        for _ in range(runs):
            found.append(beside.measure(oriz(engine, programs)))
            print(f"{BESIDE.title}, {ENGINES[engine]}: {found[-1]}", flush=True)
        results.replace(engine, ORIZ, BESIDE.key, found)


def _stop(_signal: int, _frame: object) -> None:
    """End as for Ctrl-C: the servers are stopped."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("loadbench", type=Path, nargs="?", help="the folder of loadbench")
    parser.add_argument("--synapse", type=Path, metavar="VENV", help="an environment with Synapse, measured beside")
    parser.add_argument("--runs", type=int, help=f"default: {RUNS}, and 1 with --short")
    parser.add_argument("--short", action="store_true", help="a few scenarios, small, once")
    parser.add_argument("--scenario", metavar="NAME,...", help="these only; default: all that are evaluated")
    parser.add_argument("--engine", choices=list(ENGINES), help="this only")
    parser.add_argument(
        "--scale", type=float, help=f"multiplies the counts; default: 1, and {SHORT_SCALE} with --short"
    )
    parser.add_argument("--output", type=Path, help="the folder to write to")
    parser.add_argument("--own", action="store_true", help="measure anew what is not of loadbench")
    parser.add_argument("--redraw", action="store_true", help="write page and charts again, without measuring")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
