"""The figures of a benchmark, every run of them, and the file they are kept in."""

from pathlib import Path
from statistics import median
from typing import Self

import msgspec

from tests.support.bench.measures import OTHER_CORES, Measure

ORIZ, SYNAPSE = "oriz", "synapse"
FILE = "results.json"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """How it was measured.

    date: of the end, in UTC; cores: of the machine; versions: of each server, "NAME VERSION" with what it runs on;
    whole: all scenarios at full size.
    """

    date: str
    cores: int
    runs: int
    scale: float
    scenarios: list[str]
    versions: dict[str, list[str]]
    whole: bool


class Results(msgspec.Struct, kw_only=True):
    """What was measured: engine → measure → server → figure → one value a run. Milliseconds, seconds and MiB."""

    about: About
    values: dict[str, dict[str, dict[str, dict[str, list[float]]]]]

    def add(self, engine: str, server: str, found: dict[str, dict[str, float]]) -> None:
        """Adds the figures of one run, by measure."""
        for key, figures in found.items():
            kept = self.values.setdefault(engine, {}).setdefault(key, {}).setdefault(server, {})
            for figure, value in figures.items():
                kept.setdefault(figure, []).append(value)

    def replace(self, engine: str, server: str, key: str, runs: list[dict[str, float]]) -> None:
        """Puts the figures of these runs in the place of what is there of a measure."""
        self.values.setdefault(engine, {}).setdefault(key, {}).pop(server, None)
        for figures in runs:
            self.add(engine, server, {key: figures})

    def runs(self, engine: str, server: str, measure: Measure, figure: str | None = None) -> list[float]:
        """Every run's value; of the measure's own figure where none is named."""
        figures = self.values.get(engine, {}).get(measure.key, {}).get(server, {})
        return figures.get(figure or measure.figure, [])

    def median(self, engine: str, server: str, measure: Measure, figure: str | None = None) -> float | None:
        """The median of the runs, or None where there is none."""
        values = self.runs(engine, server, measure, figure)
        return median(values) if values else None

    def ratio(self, engine: str, measure: Measure, figure: str | None = None) -> float | None:
        """How many times less Oriz needs than Synapse: between the medians; None where it cannot be told."""
        ours, theirs = (self.median(engine, server, measure, figure) for server in (ORIZ, SYNAPSE))
        return theirs / ours if ours and theirs else None

    def ratios(self, engine: str, measure: Measure, figure: str | None = None) -> list[float]:
        """The same in each run, in which both had their turn within minutes."""
        ours, theirs = (self.runs(engine, server, measure, figure) for server in (ORIZ, SYNAPSE))
        return [b / a for a, b in zip(ours, theirs, strict=False) if a and b]

    def has(self, server: str) -> bool:
        """Whether this server was measured."""
        return any(server in servers for measures in self.values.values() for servers in measures.values())

    def other_cores(self) -> float:
        """The most cores that other processes kept busy while something was measured."""
        every = [
            value
            for measures in self.values.values()
            for servers in measures.values()
            for figures in servers.values()
            for value in figures.get(OTHER_CORES, [])
        ]
        return max(every, default=0.0)

    def write(self, folder: Path) -> None:
        """Keeps them in the folder."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=1)
        (folder / FILE).write_bytes(text + b"\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What was kept there."""
        return msgspec.json.decode((folder / FILE).read_bytes(), type=cls)
