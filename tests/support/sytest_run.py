"""A run of SyTest against this checkout, on SQLite or PostgreSQL, held against the lists in sytest-compat.

  ./dev sytest PATH [--db sqlite|postgres] [--work DIR] [--keep] [FILES...]

  PATH        a checkout of SyTest; sytest-compat/README.md tells from where, and what else it needs
  --db        default: sqlite; a PostgreSQL for the run is started and stopped here
  --work DIR  where everything that the run writes is kept; default: a new folder among the temporary files
  --keep      write the result into sytest-compat/results, where `.ci/run` compares it with the lists
  FILES       of SyTest's tests, such as tests/31sync/02sync.pl; default: all, for six minutes or so

Exit code 0 where all is as the lists say, 1 where it is not, 2 for wrong use.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import sytest_report
from tests.support.postgres import temporary_cluster

RUN = sytest_report.HERE / "run.sh"
RESULTS = sytest_report.HERE / "results"


def main(arguments: Sequence[str]) -> int:
    """Carries out a command line; the exit code."""
    options = _parser().parse_intermixed_args(arguments)
    if not (options.path / "run-tests.pl").is_file():
        print(f"dev sytest: {options.path} is no checkout of SyTest: it has no run-tests.pl", file=sys.stderr)
        return 2
    work = options.work or Path(tempfile.mkdtemp(prefix="oriz-sytest-"))
    print(f"Everything that the run writes is in {work}", flush=True)
    with _database(options.db) as database:
        command = [RUN, options.path, "--work", work, *database, *options.files]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    result = [str(work / "results.tap"), *(["--part"] if options.files else [])]
    if options.keep and not options.files:
        RESULTS.mkdir(exist_ok=True)
        result += ["--keep", str(RESULTS / f"{options.db}.tap")]
    return sytest_report.main(result)


@contextmanager
def _database(kind: str) -> Iterator[list[str]]:
    """The arguments that name the database."""
    if kind == "sqlite":
        yield []
        return
    with temporary_cluster(durable=False) as cluster:
        yield ["--db", cluster.url("")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev sytest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--db", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("files", nargs="*")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
