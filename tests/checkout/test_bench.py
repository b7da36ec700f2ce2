"""`./dev bench`: it lets servers run the scenarios in turn, finds the figures, and shows them in a page and charts.

loadbench itself is no part of this checkout: where a run is tested, a stand-in takes its place that looks whether the
server is there, or away, as it should be, and tells made-up figures.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.bench import page
from tests.support.bench.charts import Bars, Chart, draw
from tests.support.bench.measures import CPU, ENGINES, IDLE_CPU, OPERATIONS, P50, figures
from tests.support.bench.results import About, Results

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"

STAND_IN = """
import argparse, json, os, urllib.error, urllib.request
parser = argparse.ArgumentParser()
for name in ["url", "shared-secret", "scenario", "scale", "json", "exec", "server-pid", "db-pid"]:
    parser.add_argument("--" + name)
told = parser.parse_args()
try:
    answers = urllib.request.urlopen(told.url + "/_matrix/client/versions").status == 200
except urllib.error.URLError:
    answers = False
if told.scenario == "startup":
    assert not answers and told.exec
    results = [{"name": "startup", "ready_s": 0.5, "rss_mib": 40.5}]
elif told.scenario == "send_one":
    results = [{"name": "send_one", "failed": "because"}]
else:
    assert answers and os.path.exists("/proc/" + told.server_pid)
    results = [{"name": "create_room (all)", "p50_ms": 3.0, "total_cpu_ms_per_op": 2.0, "deferred_cpu_ms_per_op": 0.5}]
with open(told.json, "w") as file:
    json.dump({"meta": {"rss_end_mib": 61.25}, "results": results}, file)
"""


def about(**changes: Any) -> About:
    """How something was measured."""
    versions = {"oriz": ["Oriz 1.0", "SQLite 3.40"], "synapse": ["Synapse 1.163", "SQLite 3.40"]}
    known: dict[str, Any] = {"date": "2026-11-26", "cores": 2, "runs": 3, "scale": 1.0, "whole": True}
    return About(**{**known, "scenarios": ["create_room"], "versions": versions, **changes})


@pytest.fixture
def results() -> Results:
    """Three runs of two operations on SQLite."""
    found = Results(about=about(), values={})
    for ours, theirs in [(2.0, 40.0), (9.0, 44.0), (2.5, 30.0)]:
        found.add("sqlite", "oriz", {"create_room": {CPU: ours, P50: 3.0}, "send_to_sync": {CPU: 1.0, P50: 2.0}})
        found.add("sqlite", "synapse", {"create_room": {CPU: theirs, P50: 60.0}, "send_to_sync": {CPU: 9.0, P50: 11.0}})
    return found


def test_a_run_lets_the_servers_play_and_writes_what_was_found(tmp_path: Path) -> None:
    package = tmp_path / "loadbench" / "loadbench"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(STAND_IN)
    options = ["--scenario", "startup,create_room,send_one", "--runs", "2", "--output", str(tmp_path / "docs")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.bench", package.parent, "--engine", "sqlite", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("failed: oriz on sqlite, send_one: because") == 2
    found = Results.read(tmp_path / "docs" / "performance")
    assert found.values["sqlite"] == {
        "create_room": {"oriz": {CPU: [2.5, 2.5], P50: [3.0, 3.0]}},
        "memory_at_end": {"oriz": {"rss_mib": [61.25, 61.25]}},
        "start": {"oriz": {"ready_s": [0.5, 0.5], "rss_mib": [40.5, 40.5]}},
        "memory_at_start": {"oriz": {"ready_s": [0.5, 0.5], "rss_mib": [40.5, 40.5]}},
    }
    text = (tmp_path / "docs" / "performance.md").read_text()
    assert "A part only" in text
    assert "| Create a room | 2.50 | 3.00 |" in text
    for picture in ["cpu-sqlite.svg", "memory.svg", "start.svg"]:
        assert f"(performance/{picture})" in text
        ET.parse(tmp_path / "docs" / "performance" / picture)


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["--redraw", "--output", "nowhere"]])
def test_wrong_use_is_explained(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tests.support.bench", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert "dev bench: " in done.stderr
    assert "Traceback" not in done.stderr


def test_figures_are_found_by_scenario_and_the_beginning_of_the_name() -> None:
    def window(name: str, cpu: float) -> dict[str, Any]:
        return {"name": name, "p50_ms": 1.0, "total_cpu_ms_per_op": cpu, "deferred_cpu_ms_per_op": 0.25}

    joins = [window(f"join public room sequentially, members {n}1..{n + 1}0 of 30", float(n)) for n in range(3)]
    found = figures("join", [*joins, {"name": "join growth"}, window("send in the 30-member room (nobody syncing)", 7)])
    assert {key: values[CPU] for key, values in found.items()} == {
        "join_first": 0.25,
        "join_last": 2.25,
        "send_large": 7.25,
    }
    idle = figures("idle", [{**window("idle: 500 users long-polling (30 s)", 9), "cpu_ms_per_second": 4.5}])
    assert idle["idle"][IDLE_CPU] == 4.5
    assert figures("create_room", [{"name": "create_room", "failed": "HTTPError"}]) == {}


def test_a_join_on_another_server_costs_what_both_burn_until_they_are_idle(results: Results) -> None:
    def told(name: str, cpu: float, **more: Any) -> dict[str, Any]:
        here = {"total_cpu_ms_per_op": cpu, "deferred_cpu_ms_per_op": 0.0, "p50_ms": 400.0}
        return {"name": f"federation: {name}", **here, "cpu_ms_per_op_a": 0.0, "cpu_ms_per_op_b": cpu, **more}

    def after(members: int, a: float, b: float) -> dict[str, Any]:
        name = f"federation: work after the {members}-member join until both idle"
        return {"name": name, "ops": 1, "cpu_ms_per_op_a": a, "cpu_ms_per_op_b": b}

    found = figures(
        "federation",
        [
            told("300 messages A to B, 2-member room, 8 concurrent senders", 1.0, never_arrived=2),
            told("join a 11-member room", 20.0),
            after(11, 5.0, 6.0),
            told("join a 1001-member room", 200.0),
            after(1001, 10.0, 230.0),
            told("300 messages A to B, 1000-member room, 8 concurrent senders", 1.5, never_arrived=0),
        ],
    )
    assert {key: values[CPU] for key, values in found.items()} == {
        "federation_join": 240.0,
        "federation_stream": 1.0,
        "federation_large": 1.5,
    }
    results.add("sqlite", "oriz", found)
    text = page.text(results)
    assert "- runs: 3, of federation 1; size" in text
    assert "2 never arrived" in text
    assert "| Join a room of 1,000 on the other server | 240 | 400 |" in text
    for _ in range(4):
        results.add("postgres", "oriz", found)
    assert "- runs: 3, of federation on SQLite 1, of federation on PostgreSQL 4; size" in page.text(results)


def test_the_page_shows_medians_ratios_and_goals(results: Results) -> None:
    text = page.text(results)
    assert "| Create a room | 2.50 | 3.00 | 40.0 | 60.0 | 16.0× (4.9–20.0) | 20.0× (20.0–20.0) | 15× ✓ |" in text
    assert "5.5× (5.5–5.5) | p50 6× missed |" in text
    assert "with Oriz 1.0, beside Synapse 1.163, on 2 cores" in text
    assert "synchronous=FULL" in text
    assert "A part only" not in text
    assert "## PostgreSQL" not in text


def test_without_synapse_there_are_no_ratios(results: Results) -> None:
    alone = Results(about=about(versions={"oriz": ["Oriz 1.0"]}), values={})
    alone.add("postgres", "oriz", {"create_room": {CPU: 2.0, P50: 3.0}})
    text = page.text(alone)
    assert "| Create a room | 2.00 | 3.00 |" in text
    assert "Synapse CPU" not in text
    assert [chart.series for chart in page.drawn(alone).values()] == [["Oriz"]]


def test_figures_are_kept_and_drawn_again_alike(results: Results, tmp_path: Path) -> None:
    written = page.write(results, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert page.write(Results.read(tmp_path / "performance"), tmp_path) == written
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize("logarithmic", [False, True])
def test_bars_are_as_long_as_their_values_say(logarithmic: bool) -> None:
    lines = [Bars("one & two", [1.0, 10.0], 10.0), Bars("three", [100.0, None], None)]
    svg = ET.fromstring(draw(Chart("Title", "ms", ["Oriz", "Synapse"], lines, logarithmic)))
    bars = [bar for bar in svg.iter(f"{SVG}rect") if bar.get("rx") == "2.5"]
    lengths = [float(bar.get("width", "")) for bar in bars]
    assert len(lengths) == 3
    if logarithmic:
        assert lengths[1] - lengths[0] == pytest.approx(lengths[2] - lengths[1], abs=0.2)
        assert lengths[0] > 0
    else:
        assert lengths == pytest.approx([lengths[2] / 100, lengths[2] / 10, lengths[2]], abs=0.2)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {"one & two", "1.00", "100", "–", "10.0×", "times less", "Oriz", "Synapse"} <= set(words)


def test_every_operation_has_a_goal_on_both_engines_or_none() -> None:
    assert all(
        (measure.goal(engine) is None) == (measure.goals is None) for measure in OPERATIONS for engine in ENGINES
    )
    assert len({measure.key for measure in OPERATIONS}) == len(OPERATIONS)
