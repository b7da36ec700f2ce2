"""docs/performance.md and its charts: what was measured, in numbers and in pictures."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.bench.charts import Bars, Chart, draw, shown, shown_ratio
from tests.support.bench.measures import (
    AFTERWARDS,
    ALL,
    BESIDE,
    BETWEEN,
    CPU,
    ENGINES,
    IDLE,
    IDLE_CPU,
    IDLE_MEMORY,
    LOST,
    MEMORY_AT_END,
    MEMORY_AT_START,
    OPERATIONS,
    P50,
    P99,
    READY,
    START,
    SYNC_S,
    Measure,
)
from tests.support.bench.results import ORIZ, SYNAPSE, Results

PAGE, CHARTS = "performance.md", "performance"
NAMES = {ORIZ: "Oriz", SYNAPSE: "Synapse"}
MEMORY_MEASURES = (MEMORY_AT_START, MEMORY_AT_END)
BESIDE_GOAL_MS = 50.0
IDLE_GOALS = {IDLE_CPU: ("CPU ms a second", 5.0), IDLE_MEMORY: ("MiB more than without them", 20.0)}

HOW = """\
The load comes from outside, over HTTP on the loopback address, from a harness that knows only the client-server API.
**CPU** is what the server and its database burned for one operation, in user and system mode, including what was put
off until after the answer; it hardly moves when other work shares the machine. **p50** is the median of the time that
the client waited. The servers take turns scenario by scenario, each run on new data, so that what the machine does
besides hits all of them alike. A figure is the median of the runs, a ratio is Synapse's figure divided by that of Oriz,
and behind it stand the lowest and the highest ratio of single runs.

**Nothing is won by not writing to disk.** Oriz answers a request after the commit: SQLite runs with
`journal_mode=WAL` and `synchronous=FULL`, PostgreSQL with its own defaults (`fsync`, `synchronous_commit` and
`full_page_writes` are on). Synapse runs on the same settings, and on the same PostgreSQL unless another version is
named above. Limits of request rates are out of reach and hashes of passwords cheap, on both, because about two thousand
users are made.
"""

REPEAT = """\
    ./dev bench FOLDER-OF-LOADBENCH                     # Oriz alone, on both engines
    ./dev bench FOLDER-OF-LOADBENCH --synapse VENV      # beside the Synapse that is installed in this environment
    ./dev bench FOLDER-OF-LOADBENCH --short             # in some minutes; does not touch this page
    ./dev bench --own                                   # anew what loadbench does not measure: beside a large sync
"""


def write(results: Results, folder: Path) -> Path:
    """Writes the page, the charts and the figures; the page's path."""
    charts = folder / CHARTS
    charts.mkdir(parents=True, exist_ok=True)
    results.write(charts)
    for name, chart in drawn(results).items():
        (charts / name).write_text(draw(chart), encoding="utf-8")
    (folder / PAGE).write_text(text(results), encoding="utf-8")
    return folder / PAGE


def drawn(results: Results) -> dict[str, Chart]:
    """The charts by the names of their files; those of which nothing was measured are left out."""
    charts = {
        f"cpu-{engine}.svg": Chart(
            title=f"CPU per operation on {name}",
            subtitle="milliseconds of server and database, logarithmic; shorter is better",
            series=_names(results),
            lines=_bars(results, [(measure.title, engine, measure) for measure in OPERATIONS], CPU),
            logarithmic=True,
        )
        for engine, name in ENGINES.items()
    }
    charts["memory.svg"] = Chart(
        title="Memory",
        subtitle="MiB resident in the server's processes; shorter is better",
        series=_names(results),
        lines=_bars(results, [(f"{m.title[7:]}, {ENGINES[e]}", e, m) for e in ENGINES for m in MEMORY_MEASURES]),
        logarithmic=False,
    )
    charts["start.svg"] = Chart(
        title="Start to first answer",
        subtitle="seconds; shorter is better",
        series=_names(results),
        lines=_bars(results, [(name, engine, START) for engine, name in ENGINES.items()], READY),
        logarithmic=False,
    )
    return {name: chart for name, chart in charts.items() if chart.lines}


def text(results: Results) -> str:
    """The page as Markdown."""
    parts = [
        "# How fast Oriz is",
        *_summary(results),
        *_pictures(results),
        *(part for engine in ENGINES for part in _operations(results, engine)),
        *_memory_and_start(results),
        *_between(results),
        *_waiting(results),
        *_beside(results),
        "## How it was measured",
        *_about(results),
        HOW,
        "To repeat it:",
        REPEAT,
        f"All figures of all runs: [{CHARTS}/results.json]({CHARTS}/results.json).",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _summary(results: Results) -> list[str]:
    about = results.about
    beside = f", beside {about.versions[SYNAPSE][0]}" if SYNAPSE in about.versions else ""
    said = [f"Measured on {about.date} with {about.versions[ORIZ][0]}{beside}, on {about.cores} cores."]
    if not about.whole:
        part = f"scenarios {', '.join(about.scenarios)} at {about.scale:g} of their size, runs: {about.runs}"
        said.append(f"> **A part only** ({part}): good for finding out what a change does, not for comparing servers.")
    return said


def _pictures(results: Results) -> list[str]:
    return [f"![{chart.title}]({CHARTS}/{name})" for name, chart in drawn(results).items()]


def _operations(results: Results, engine: str) -> list[str]:
    """The table of one engine."""
    table = _costs(results, engine, OPERATIONS)
    return [f"## {ENGINES[engine]}", *table, *_growth(results, engine)] if table else []


def _between(results: Results) -> list[str]:
    """What two servers of one kind cost each other."""
    parts = []
    for engine, name in ENGINES.items():
        lost = sum(sum(results.runs(engine, ORIZ, measure, LOST)) for measure in BETWEEN)
        if table := _costs(results, engine, BETWEEN):
            parts += [f"On {name}; of all messages {lost:g} never arrived between the two Oriz:", *table]
    said = "CPU is that of both servers; of the join, also what they burn afterwards until both are idle."
    return ["## Between two servers of one kind", said, *parts] if parts else []


def _costs(results: Results, engine: str, operations: Sequence[Measure]) -> list[str]:
    """The table of some operations on one engine, or nothing where none was measured."""
    measures = [measure for measure in operations if results.runs(engine, ORIZ, measure, CPU)]
    if not measures:
        return []
    head = ["operation", "Oriz CPU ms", "Oriz p50 ms"]
    if results.has(SYNAPSE):
        head += ["Synapse CPU ms", "Synapse p50 ms", "CPU ratio", "p50 ratio", "goal"]
    return [_table(head, [_operation(results, engine, measure) for measure in measures])]


def _operation(results: Results, engine: str, measure: Measure) -> list[str]:
    servers = [ORIZ, SYNAPSE] if results.has(SYNAPSE) else [ORIZ]
    cells = [_value(results.median(engine, server, measure, figure)) for server in servers for figure in (CPU, P50)]
    if results.has(SYNAPSE):
        cells += [_ratio(results, engine, measure, figure) for figure in (CPU, P50)]
        cells.append(_goal(results, engine, measure))
    return [measure.title, *cells]


def _growth(results: Results, engine: str) -> list[str]:
    """What a join costs in a large room, against one in a small room."""
    first, last = (next(m for m in OPERATIONS if m.key == key) for key in ("join_first", "join_last"))
    said = []
    for server, name in NAMES.items():
        early, late = results.median(engine, server, first, CPU), results.median(engine, server, last, CPU)
        if early and late:
            said.append(f"{late / early:.2f} times as much on {name}")
    if not said:
        return []
    return [f"The last tenth of the joins costs {' and '.join(said)} as the first tenth."]


def _memory_and_start(results: Results) -> list[str]:
    places = [(engine, measure) for engine in ENGINES for measure in (*MEMORY_MEASURES, START)]
    places = [(engine, measure) for engine, measure in places if results.runs(engine, ORIZ, measure)]
    if not places:
        return []
    head = ["", "Oriz", *(["Synapse", "ratio", "goal"] if results.has(SYNAPSE) else [])]
    rows = []
    for engine, measure in places:
        unit = "s" if measure is START else "MiB"
        row = [f"{measure.title}, {ENGINES[engine]} ({unit})", _value(results.median(engine, ORIZ, measure))]
        if results.has(SYNAPSE):
            row.append(_value(results.median(engine, SYNAPSE, measure)))
            row += [_ratio(results, engine, measure), _goal(results, engine, measure)]
        rows.append(row)
    return ["## Memory and start", _table(head, rows)]


def _waiting(results: Results) -> list[str]:
    """What 500 long-polls cost while nothing happens."""
    rows = [
        [f"{what}, {name}", *(_value(results.median(engine, server, IDLE, figure)) for server in NAMES), f"{most:g}"]
        for engine, name in ENGINES.items()
        for figure, (what, most) in IDLE_GOALS.items()
        if results.runs(engine, ORIZ, IDLE, figure)
    ]
    if not rows:
        return []
    return ["## 500 clients that wait while nothing happens", _table(["", "Oriz", "Synapse", "goal, below"], rows)]


def _beside(results: Results) -> list[str]:
    """How long others wait while a very large first sync is answered."""
    engines = [engine for engine in ENGINES if results.runs(engine, ORIZ, BESIDE)]
    if not engines:
        return []
    head = ["", "p50 ms", "p99 ms", "goal, below", "the sync, s"]
    rows = []
    for engine in engines:
        p50, p99, sync = (_value(results.median(engine, ORIZ, BESIDE, figure)) for figure in (P50, P99, SYNC_S))
        rows.append([ENGINES[engine], p50, p99, f"{BESIDE_GOAL_MS:g}", sync])
    said = "200 messages that four people send, one after the other each, while somebody's first sync is answered."
    return [f"## {BESIDE.title}", said, _table(head, rows)]


def _about(results: Results) -> list[str]:
    about = results.about
    lines = [f"- **{NAMES[server]}**: {', '.join(versions)}" for server, versions in about.versions.items()]
    size = f"size: {about.scale:g} of the full"
    lines.append(f"- runs: {about.runs}{_otherwise(results)}; {size}; scenarios: {', '.join(about.scenarios)}")
    lines.append(f"- {about.cores} cores, of which other processes kept up to {results.other_cores():.2f} busy")
    return ["\n".join(lines)]


def _otherwise(results: Results) -> str:
    """What was measured fewer times than the rest, or more often."""
    found: dict[str, int] = {}
    for measure in ALL:
        name = measure.title if measure.scenario == AFTERWARDS else measure.scenario
        times = {engine: len(results.runs(engine, ORIZ, measure)) for engine in ENGINES}
        differs = len(set(times.values()) - {0}) > 1
        for engine, count in times.items():
            if count not in (0, results.about.runs):
                found[f"{name} on {ENGINES[engine]}" if differs else name] = count
    return "".join(f", of {name} {count}" for name, count in found.items())


def _bars(results: Results, places: Iterable[tuple[str, str, Measure]], figure: str | None = None) -> list[Bars]:
    """The lines of a chart, of what was measured on Oriz."""
    return [
        Bars(
            label,
            [results.median(engine, server, measure, figure) for server in _servers(results)],
            results.ratio(engine, measure, figure),
        )
        for label, engine, measure in places
        if results.runs(engine, ORIZ, measure, figure)
    ]


def _servers(results: Results) -> list[str]:
    return [server for server in NAMES if results.has(server)]


def _names(results: Results) -> list[str]:
    return [NAMES[server] for server in _servers(results)]


def _ratio(results: Results, engine: str, measure: Measure, figure: str | None = None) -> str:
    """The ratio, and behind it the range of the runs."""
    ratio = results.ratio(engine, measure, figure)
    if ratio is None:
        return "–"
    every = results.ratios(engine, measure, figure)
    if len(every) < 2:
        return shown_ratio(ratio)
    return f"{shown_ratio(ratio)} ({min(every):.1f}–{max(every):.1f})"


def _goal(results: Results, engine: str, measure: Measure) -> str:
    """The goal, and whether it is reached."""
    goal, ratio = measure.goal(engine), results.ratio(engine, measure)
    if goal is None:
        return ""
    wanted = f"p50 {goal:g}×" if measure.figure == P50 else f"{goal:g}×"
    return wanted if ratio is None else f"{wanted} {'✓' if ratio >= goal else 'missed'}"


def _value(value: float | None) -> str:
    return "–" if value is None else shown(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
