"""What a run of SyTest says, held against the lists of what must pass and of what does not, with the reason for each.

  sytest-compat/report.py RESULT.tap [--part] [--update] [--keep FILE]

  RESULT.tap   what sytest-compat/run.sh has left, or what --keep made of it
  --part       the run was of some files only: what the lists say of others does not count
  --update     write both lists as the run has it; what has no reason yet gets a `?`, which must be replaced
  --keep FILE  write the run to FILE without all that makes each run differ from the other

Prints totals by area and by reason, and every difference. Exit code 0 where there is none; 1 else, also where the run
did not come to its end; 2 for wrong use. A name that occurs twice is told apart by its file, and within a file counted.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[2] / "sytest-compat"
PASSES, FAILS = "passes.txt", "fails.txt"

PARTS = ("accounts", "chat", "encryption", "federation", "finding", "media", "modern", "outside", "rooms")
"""The pieces of the work, as `tests/conformance/operations.tsv` names them."""
KINDS = ("not built", "against the specification", "not in v1.19")
"""What a reason may begin with."""

_FILE = re.compile(r"# file (tests/\S+)")
_RESULT = re.compile(r"(ok|not ok) \d+ (.*?)(?: \(\d+ subtests\))?")
_PLAN = re.compile(r"1\.\.(\d+)")

HEAD = {
    PASSES: "# The tests of SyTest that must pass, by their files and in the order of a run; for report.py.",
    FAILS: "# All other tests of SyTest, each with the reason behind a tab: `not built: PART`,\n"
    "# `against the specification: WHERE` or `not in v1.19: WHAT`; for report.py.",
}


class Case(NamedTuple):
    """A test by its file and its name."""

    file: str
    name: str


class Run(NamedTuple):
    """What a run says: the tests in their order with whether each passed, and whether it came to its end."""

    results: Sequence[tuple[Case, bool]]
    is_whole: bool

    @property
    def passed(self) -> Counter[Case]:
        """How many of each name passed."""
        return Counter(test for test, passes in self.results if passes)

    @property
    def others(self) -> Counter[Case]:
        """How many of each name failed or were skipped."""
        return Counter(test for test, passes in self.results if not passes)


class Lists(NamedTuple):
    """What must pass, and why the others do not; a name that occurs twice in a file has as many reasons."""

    passes: Counter[Case]
    fails: Mapping[Case, Sequence[str]]


def read_run(text: str) -> Run:
    """The results of a run, from its TAP. A test that was skipped did not pass."""
    results: list[tuple[Case, bool]] = []
    file, planned = "", -1
    for line in text.splitlines():
        if match := _FILE.fullmatch(line):
            file = match[1]
        elif match := _RESULT.fullmatch(line):
            name, _, skipped = match[2].partition(" # skip ")
            results.append((Case(file, name), match[1] == "ok" and not skipped))
        elif match := _PLAN.fullmatch(line):
            planned = int(match[1])
    return Run(results, planned == len(results))


def read_lists(folder: Path) -> Lists:
    """Both lists. Raises ValueError for a reason that is none."""
    passes = Counter(test for test, _ in _lines(folder / PASSES))
    fails: dict[Case, list[str]] = {}
    for test, reason in _lines(folder / FAILS):
        if not is_reason(reason):
            raise ValueError(f"{FAILS}: {test.file}: {test.name}: {reason!r} is no reason")
        fails.setdefault(test, []).append(reason)
    return Lists(passes, fails)


def is_reason(text: str) -> bool:
    """Whether it says why a test does not pass."""
    kind, colon, what = text.partition(": ")
    return kind in KINDS and bool(colon and what) and (kind != "not built" or what in PARTS)


def differences(run: Run, lists: Lists, *, part: bool = False) -> list[str]:
    """Everything in which a run is not as the lists say, as lines; `part`: only of the files that it has."""
    seen = {test.file for test, _ in run.results}
    fails = Counter({test: len(reasons) for test, reasons in lists.fails.items()})
    found = [] if run.is_whole else ["the run did not come to its end"]
    for test in sorted({*run.passed, *run.others, *lists.passes, *fails}):
        if part and test.file not in seen:
            continue
        got = (run.passed[test], run.others[test])
        wanted = (lists.passes[test], fails[test])
        if got != wanted:
            found.append(f"{_said(got, wanted)}: {test.file}: {test.name}")
    return found


def _said(got: tuple[int, int], wanted: tuple[int, int]) -> str:
    if sum(wanted) == 0:
        return "passes, and is in neither list" if got[0] else "does not pass, and is in neither list"
    if sum(got) == 0:
        return "is in a list, and was not run"
    if got[0] < wanted[0]:
        return "must pass, and does not"
    return f"passes, and is in {FAILS}"


def totals(run: Run, lists: Lists) -> Iterator[str]:
    """Lines that tell how many passed, by area, and why the others did not."""
    areas: dict[str, list[int]] = {}
    reasons: Counter[str] = Counter()
    left = {test: list(why) for test, why in lists.fails.items()}
    for test, passes in run.results:
        area = areas.setdefault(area_of(test.file), [0, 0])
        area[0 if passes else 1] += 1
        if not passes:
            reason = left[test].pop(0) if left.get(test) else "no reason"
            reasons[reason if reason.startswith("not built") else reason.partition(":")[0]] += 1
    for name, (passed, others) in areas.items():
        yield f"{name:<24}{passed:>5} of {passed + others}"
    yield f"{'in all':<24}{sum(run.passed.values()):>5} of {len(run.results)}"
    for reason, number in reasons.most_common():
        yield f"  {reason:<32}{number:>5}"


def area_of(file: str) -> str:
    """The folder of a file, or the file itself where it stands alone: what SyTest's numbers order by."""
    return file.removeprefix("tests/").partition("/")[0].removesuffix(".pl")


def kept(run: Run) -> str:
    """A run without diagnostics and times, as `read_run` reads it."""
    lines, file = [], ""
    for number, (test, passes) in enumerate(run.results, 1):
        if test.file != file:
            file = test.file
            lines.append(f"# file {file}")
        lines.append(f"{'ok' if passes else 'not ok'} {number} {test.name}")
    return "\n".join([*lines, f"1..{len(run.results)}", ""])


def update(run: Run, folder: Path) -> None:
    """Writes both lists as the run has it, with the reasons that were there."""
    before: dict[Case, list[str]] = {}
    for test, reason in _lines(folder / FAILS) if (folder / FAILS).exists() else ():
        before.setdefault(test, []).append(reason)
    passes = [(test, test.name) for test, passed in run.results if passed]
    fails = [
        (test, f"{test.name}\t{before[test].pop(0) if before.get(test) else '?'}")
        for test, passed in run.results
        if not passed
    ]
    _write(folder / PASSES, passes)
    _write(folder / FAILS, fails)


def _lines(path: Path) -> Iterator[tuple[Case, str]]:
    """What a list holds: tests, each with what stands behind a tab."""
    file = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# tests/"):
            file = line.removeprefix("# ")
        elif line and not line.startswith("# "):
            name, _, reason = line.partition("\t")
            yield Case(file, name), reason


def _write(path: Path, lines: Iterable[tuple[Case, str]]) -> None:
    text, file = [HEAD[path.name]], ""
    for test, line in lines:
        if test.file != file:
            file = test.file
            text.append(f"# {file}")
        text.append(line)
    path.write_text("\n".join([*text, ""]), encoding="utf-8")


def main(arguments: Sequence[str], folder: Path = HERE) -> int:
    """Carries out a command line; the exit code."""
    parser = argparse.ArgumentParser(
        prog="report.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path)
    parser.add_argument("--part", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(arguments)
    run = read_run(options.result.read_text(encoding="utf-8", errors="replace"))
    if options.keep:
        options.keep.write_text(kept(run), encoding="utf-8")
    if options.update:
        update(run, folder)
    try:
        lists = read_lists(folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(totals(run, lists)))
    found = differences(run, lists, part=options.part)
    print("\n".join([f"{len(found)} differences", *found] if found else ["as the lists say"]))
    return 1 if found else 0
