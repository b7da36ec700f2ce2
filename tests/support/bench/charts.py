"""Bar charts as SVG: a few labelled bars, in light or dark colours, logarithmic where the values ask for it.

The colours follow `prefers-color-scheme` inside the picture, background included, so that it can be read wherever it is
shown.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

WIDTH, LEFT, RIGHT, TOP = 800, 250, 640, 96
BAR, GAP, BETWEEN, BOTTOM = 13, 3, 15, 42
RATIO_X = WIDTH - 24

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #1f2328; }
.title { font-size: 18px; font-weight: 600; }
.muted { fill: #656d76; font-size: 12px; }
.value { font-size: 12px; }
.ratio { font-weight: 700; fill: #0b7a6f; }
.card { fill: #ffffff; stroke: #d5dae0; }
.grid { stroke: #e4e8ec; }
.s0 { fill: #0f9d8f; }
.s1 { fill: #aab4c0; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .muted { fill: #9aa4af; }
  .ratio { fill: #4fd1c1; }
  .card { fill: #10151c; stroke: #2b333d; }
  .grid { stroke: #232a33; }
  .s0 { fill: #2cb8a8; }
  .s1 { fill: #56616e; }
}
"""


class Bars(NamedTuple):
    """One line of a chart: a bar of each series, None where it has no value, and what stands at the right."""

    label: str
    values: Sequence[float | None]
    ratio: float | None


class Chart(NamedTuple):
    """A chart: `series` are the names of the bars of each line, one or two of them."""

    title: str
    subtitle: str
    series: Sequence[str]
    lines: Sequence[Bars]
    logarithmic: bool


class Axis(NamedTuple):
    """From values to places: `low` and `high` are values, or their logarithms."""

    low: float
    high: float
    logarithmic: bool

    def x(self, value: float) -> float:
        """The place of a value, in pixels."""
        at = math.log10(value) if self.logarithmic else value
        return round(LEFT + (RIGHT - LEFT) * (at - self.low) / (self.high - self.low), 1)

    def ticks(self) -> list[float]:
        """The values that get a line: the powers of ten, or four or so of even distance."""
        if self.logarithmic:
            return [10.0**power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]
        step = 10.0 ** math.floor(math.log10(self.high))
        step = next(step * part for part in (0.25, 0.5, 1, 2) if self.high / (step * part) <= 5)
        return [step * number for number in range(math.floor(self.high / step) + 1)]


def draw(chart: Chart) -> str:
    """The chart as the text of an SVG file."""
    row = len(chart.series) * (BAR + GAP) + BETWEEN
    height = TOP + row * len(chart.lines) + BOTTOM
    svg = _frame(chart, height)
    axis = _axis(chart)
    for tick in axis.ticks():
        x, end = axis.x(tick), height - BOTTOM + 4
        ET.SubElement(svg, "line", {"class": "grid", "x1": f"{x}", "x2": f"{x}", "y1": f"{TOP - 8}", "y2": f"{end}"})
        _text(svg, (x, end + 16), f"{tick:g}", "muted", "middle")
    for number, line in enumerate(chart.lines):
        _draw_line(svg, line, TOP + row * number, axis)
    if any(line.ratio for line in chart.lines):
        _text(svg, (RATIO_X, TOP - 14), "times less", "muted", "end")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def shown(value: float) -> str:
    """A value with three digits that say something."""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f}"


def shown_ratio(ratio: float) -> str:
    """How many times less."""
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.1f}×"


def _axis(chart: Chart) -> Axis:
    values = [value for line in chart.lines for value in line.values if value]
    if not values:
        return Axis(0.0, 1.0, logarithmic=False)
    if not chart.logarithmic:
        return Axis(0.0, max(values), logarithmic=False)
    # The least bar, too, has a length that can be seen.
    return Axis(math.floor(math.log10(min(values)) - 0.15), math.log10(max(values)), logarithmic=True)


def _frame(chart: Chart, height: int) -> ET.Element:
    """The picture with its card, its headings and its legend."""
    size = {"width": f"{WIDTH}", "height": f"{height}", "viewBox": f"0 0 {WIDTH} {height}"}
    svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size})
    ET.SubElement(svg, "title").text = chart.title
    ET.SubElement(svg, "style").text = STYLE
    card = {"x": "0.5", "y": "0.5", "width": f"{WIDTH - 1}", "height": f"{height - 1}", "rx": "10"}
    ET.SubElement(svg, "rect", {"class": "card", **card})
    _text(svg, (24, 34), chart.title, "title")
    _text(svg, (24, 56), chart.subtitle, "muted")
    x = RATIO_X
    for number, name in reversed(list(enumerate(chart.series))):
        x -= 8 * len(name)
        _text(svg, (x, 34), name)
        square = {"x": f"{x - 18}", "y": "23", "width": "12", "height": "12", "rx": "3"}
        ET.SubElement(svg, "rect", {"class": f"s{number}", **square})
        x -= 34
    return svg


def _draw_line(svg: ET.Element, line: Bars, top: int, axis: Axis) -> None:
    """One line: its label, its bars with their values, and its ratio."""
    middle = top + (len(line.values) * (BAR + GAP) - GAP) / 2 + 4.5
    _text(svg, (LEFT - 12, middle), line.label, anchor="end")
    for number, value in enumerate(line.values):
        y = top + number * (BAR + GAP)
        end = axis.x(value) if value else LEFT
        if value:
            place = {"x": f"{LEFT}", "y": f"{y}", "width": f"{end - LEFT:.1f}", "height": f"{BAR}", "rx": "2.5"}
            ET.SubElement(svg, "rect", {"class": f"s{number}", **place})
        _text(svg, (end + 7, y + 10.5), "–" if value is None else shown(value), "value")
    if line.ratio is not None:
        _text(svg, (RATIO_X, middle), shown_ratio(line.ratio), "ratio", "end")


def _text(svg: ET.Element, at: tuple[float, float], words: str, kind: str = "", anchor: str = "start") -> None:
    attributes = {"x": f"{at[0]:g}", "y": f"{at[1]:g}", "text-anchor": anchor} | ({"class": kind} if kind else {})
    ET.SubElement(svg, "text", attributes).text = words
