"""Writes docs/conformance.md: what of the specification is built, and which tests catch which trap.

./dev conformance          write it anew
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests.conformance import traps
from tests.conformance.declarations import all_endpoints
from tests.conformance.operations import Key, Operation, is_built, key, operations

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"

HEAD = """\
# What is built

Every operation that version 1.19 of the specification wants of a homeserver, and whether it is built; then the traps of
[traps.md](traps.md), and the tests that catch each. `./dev conformance` writes this page from the endpoints as they are
declared and from `tests/conformance/operations.tsv`; a test holds it fresh.

*Done* says that the operation is there, and that method, path, credentials and rate limit are those of the table.
"""

LEGEND = """\
*Who*: nobody in particular (none), a user (user), a user or a guest (guest-ok), another server (server-signature).
*Limited*: whether the specification has it rate-limited. Behind it stands what is *ours*: limited though the
specification has it not, open to guests though it names them not, or refused although the address is there.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the page; exit code 2 when there is anything to ask for."""
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """The page's whole text."""
    declared = {key(endpoint) for endpoint in all_endpoints()}
    lines = [HEAD, *_totals(declared), LEGEND]
    for (api, area), rows in groupby(operations(), lambda each: (each.api, each.area)):
        lines += [f"## {_heading(api, area)}", "", *_area(rows, declared), ""]
    return "\n".join([*lines, "## Traps", "", *_traps(), ""])


def _heading(api: str, area: str) -> str:
    beginning = "Outside the specification" if api == "-" else api.capitalize()
    return f"{beginning}: {area}"


def _totals(declared: set[Key]) -> Iterator[str]:
    specified = [each for each in operations() if each.api != "-"]
    for api, rows in groupby(specified, lambda each: each.api):
        states = [(each.area, is_built(each, declared)) for each in rows]
        yield f"**{api.capitalize()}: {sum(state for _, state in states)} of {len(states)} are done.**"
        yield ""
        yield from _table("area", "done", "of")
        for area, some in groupby(states, lambda state: state[0]):
            done = [state for _, state in some]
            yield f"| {area} | {sum(done)} | {len(done)} |"
        yield ""


def _area(rows: Iterable[Operation], declared: set[Key]) -> Iterator[str]:
    yield from _table("", "operation", "who", "limited", "since", "what it is for")
    for row in rows:
        state = "done" if is_built(row, declared) else "not yet"
        limited = row.limited if row.ours == "-" else f"{row.limited} (ours: {row.ours})"
        yield f"| {state} | `{row.method} {row.path}` | {row.auth} | {limited} | {row.since} | {row.purpose} |"


def _table(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"


def _traps() -> Iterator[str]:
    tests = traps.tests()
    for number, title in traps.titles().items():
        yield f"{number}. **{title}.**"
        for path, names in groupby(tests.get(number, []), lambda test: test[0]):
            yield f"   - [{path}](../{path}): " + ", ".join(f"`{name}`" for _, name in names)
        if number not in tests:
            yield f"   - not built yet: {traps.NOT_BUILT.get(number, 'no test')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
