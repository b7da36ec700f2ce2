"""How commands print tables, sizes and moments for people."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

LONGEST = 60
"""Characters of a cell; the rest of a longer text is left out."""
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

Cell = str | int | None


class Amount(str):
    """A text that stands to the right, like a number."""

    __slots__ = ()


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Rows below their headings, in columns; numbers and sizes stand to the right, an absent value is a dash."""
    lines = [list(headings), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(headings))]
    right = [any(isinstance(row[column], int | Amount) for row in rows) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            _padded(text, width, right=is_right) for text, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def facts(pairs: Sequence[tuple[str, Cell]]) -> str:
    """One fact a line: what it is, and how it is."""
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:{width}}  {printable(_text(value))}" for name, value in pairs)


def size(count: int) -> Amount:
    """A number of bytes in the unit that fits: 1234567 is 1.2 MiB."""
    amount = float(count)
    for unit in UNITS[:-1]:
        if amount < 1024:
            return Amount(f"{count} B" if unit == "B" else f"{amount:.1f} {unit}")
        amount /= 1024
    return Amount(f"{amount:.1f} {UNITS[-1]}")


def moment(milliseconds: int | None) -> str | None:
    """A moment in UTC, to the minute; what lies outside the calendar is told as it is."""
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def printable(text: str) -> str:
    """A text from a room on one line, without what a terminal would obey."""
    return "".join(each if unicodedata.category(each)[0] != "C" else " " for each in text)


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    text = printable(str(cell))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _padded(text: str, width: int, *, right: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if right else text + gap


def _width(text: str) -> int:
    """The columns that a text takes on a terminal: East Asian letters are wide, accents take none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
