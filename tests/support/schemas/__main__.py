"""Schemathesis over the specification's OpenAPI documents of the client-server API, against an Oriz of its own.

  ./dev schemas PATH [--db sqlite|postgres] [--minutes N] [--seed N] [--only TEXT]

  PATH        a checkout of https://github.com/matrix-org/matrix-spec
  --db        default: sqlite; a PostgreSQL for the run is started and stopped here
  --minutes   how long to try; default: 3
  --seed      of a run before: generates the same again
  --only      the operations with this text in method and path

All operations that Oriz has built are tried, with good values, with those of the people and rooms of the run, and with
wrong ones. No answer may be a 5xx, a success must be as declared, every refusal an error of Matrix with a code that the
specification has; without credentials nothing is done, and what is not built says so. Each finding is shown once at the
end, with an answer and the command that asks again. Where a schema itself is wrong, tests/support/schemas/exceptions.py
has another and says why.

Exit code 0 where nothing was found, 1 where something was, 2 for wrong use.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.support.schemas.description import FOLDER, Description
from tests.support.schemas.run import Outcome, Setting, try_document, try_not_declared
from tests.support.schemas.stage import Stage
from tests.support.server_process import server_process

ALONE = "federation: {enabled: false}"
"""Whatever names are made up, no other server is asked about them."""
SHOWN = 1000
"""So many characters of an answer, or of a complaint, are shown."""


def main(arguments: Sequence[str]) -> int:
    """Carries out a command line; the exit code."""
    options = _parser().parse_args(arguments)
    if not (options.path / FOLDER).is_dir():
        print(f"dev schemas: {options.path} is no checkout of matrix-spec: it has no {FOLDER}", file=sys.stderr)
        return 2
    print(f"Seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="oriz-schemas-") as folder:
        extra = Path(folder, "alone.yaml")
        extra.write_text(ALONE)
        with server_process(options.db, Path(folder, "server"), extra) as server:
            start = time.monotonic()
            outcome = _try(server.url, options)
    _report(outcome, time.monotonic() - start)
    return 1 if outcome.findings else 0


def _try(url: str, options: argparse.Namespace) -> Outcome:
    stage = Stage(url)
    description = Description(options.path, stage.known)
    document = description.document(options.only)
    labels = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    outcome = Outcome({label: Counter() for label in labels})
    try_not_declared(url, description.not_declared(options.only), outcome)
    seconds = max(1, round(options.minutes * 60))
    try_document(url, document, Setting(stage, description.errcodes(), options.seed, seconds), outcome)
    return outcome


def _report(outcome: Outcome, seconds: float) -> None:
    for finding, times in sorted(outcome.findings.items(), key=lambda item: item[0].operation):
        print(f"\n{finding.operation} ({times} times)\n{_short(finding.message)}\n{_short(finding.evidence)}")
    print()
    for label, statuses in outcome.answers.items():
        if not statuses:
            print(f"never tried: {label}")
        elif min(statuses) >= 400:
            print(f"never with success: {label} ({', '.join(map(str, sorted(statuses)))})")
    cases = sum(statuses.total() for statuses in outcome.answers.values())
    print(f"{len(outcome.answers)} operations, {cases} cases, {seconds:.0f} s, {len(outcome.findings)} findings")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev schemas", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--db", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--only", default="")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
