"""sytest-compat/report.py: it reads runs and lists, and lets no difference pass, in either direction."""

from pathlib import Path

import pytest

from tests.support import sytest_report, sytest_run
from tests.support.sytest_report import differences, is_reason, kept, main, read_lists, read_run

RUN = """\
# file tests/10a.pl
# Started test HTTPS Server at 127.0.0.1:1
ok 1 Greeting
  ok 1 First step (Many steps)
  1..1
ok 2 Many steps (1 subtests)
not ok 3 Number # 3 (again)
# Started: 2026-01-01 00:00:00.000
# not ok 9 in a diagnostic
ok 4 Dancing # skip lack of can_dance
# file tests/30/b.pl
ok 5 Greeting
ok 6 Twice
not ok 7 Twice
1..7
"""
PASSES = "# head\n# tests/10a.pl\nGreeting\nMany steps\n# tests/30/b.pl\nGreeting\nTwice\n"
FAILS = (
    "# head\n# tests/10a.pl\nNumber # 3 (again)\tnot in v1.19: numbers\nDancing\tnot built: media\n"
    "# tests/30/b.pl\nTwice\tagainst the specification: Twice\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lists that say what the run says."""
    (tmp_path / "passes.txt").write_text(PASSES)
    (tmp_path / "fails.txt").write_text(FAILS)
    return tmp_path


def test_a_run_is_read() -> None:
    run = read_run(RUN)
    assert run.is_whole
    assert [(test.file, test.name, passes) for test, passes in run.results] == [
        ("tests/10a.pl", "Greeting", True),
        ("tests/10a.pl", "Many steps", True),
        ("tests/10a.pl", "Number # 3 (again)", False),
        ("tests/10a.pl", "Dancing", False),
        ("tests/30/b.pl", "Greeting", True),
        ("tests/30/b.pl", "Twice", True),
        ("tests/30/b.pl", "Twice", False),
    ]
    assert read_run(kept(run)) == run


def test_what_is_as_the_lists_say(folder: Path) -> None:
    assert differences(read_run(RUN), read_lists(folder)) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("ok 1 Greeting", "not ok 1 Greeting", "must pass, and does not: tests/10a.pl: Greeting"),
        ("ok 1 Greeting", "ok 1 Greeting # skip lack of manners", "must pass, and does not: tests/10a.pl: Greeting"),
        ("ok 5 Greeting", "not ok 5 Greeting", "must pass, and does not: tests/30/b.pl: Greeting"),
        ("not ok 3", "ok 3", "passes, and is in fails.txt: tests/10a.pl: Number # 3 (again)"),
        (" # skip lack of can_dance", "", "passes, and is in fails.txt: tests/10a.pl: Dancing"),
        ("not ok 7", "ok 7", "passes, and is in fails.txt: tests/30/b.pl: Twice"),
        ("ok 6 Twice", "not ok 6 Twice", "must pass, and does not: tests/30/b.pl: Twice"),
    ],
)
def test_a_test_that_went_otherwise(folder: Path, before: str, after: str, said: str) -> None:
    assert differences(read_run(RUN.replace(before, after, 1)), read_lists(folder)) == [said]


def test_tests_that_came_or_went(folder: Path) -> None:
    lists = read_lists(folder)
    renamed = RUN.replace("ok 2 Many steps", "ok 2 Few steps").replace("not ok 3 Number", "not ok 3 Figure")
    assert differences(read_run(renamed), lists) == [
        "passes, and is in neither list: tests/10a.pl: Few steps",
        "does not pass, and is in neither list: tests/10a.pl: Figure # 3 (again)",
        "is in a list, and was not run: tests/10a.pl: Many steps",
        "is in a list, and was not run: tests/10a.pl: Number # 3 (again)",
    ]


def test_a_run_of_some_files(folder: Path) -> None:
    lists = read_lists(folder)
    first = RUN[: RUN.index("# file tests/30")] + "1..4\n"
    assert differences(read_run(first), lists, part=True) == []
    assert [line.partition(":")[0] for line in differences(read_run(first), lists)] == [
        "is in a list, and was not run"
    ] * 2


def test_a_run_that_broke_off(folder: Path) -> None:
    for broken in ("", RUN.replace("1..7", ""), RUN.replace("1..7", "1..8")):
        assert "the run did not come to its end" in differences(read_run(broken), read_lists(folder), part=True)


@pytest.mark.parametrize(
    ("reason", "is_one"),
    [
        ("not built: media", True),
        ("not built: castles", False),
        ("against the specification: Rooms", True),
        ("not in v1.19: MSC2753", True),
        ("not in v1.19: ", False),
        ("not in v1.19", False),
        ("flaky: sometimes", False),
        ("?", False),
        ("", False),
    ],
)
def test_what_a_reason_is(reason: str, is_one: bool) -> None:
    assert is_reason(reason) is is_one


def test_the_lists_are_brought_up_to_date(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = folder / "results.tap"
    result.write_text(RUN.replace("ok 1 Greeting", "not ok 1 Greeting").replace(" # skip lack of can_dance", ""))
    assert main([str(result)], folder) == 1
    assert "2 differences" in capsys.readouterr().out
    assert main([str(result), "--update"], folder) == 1
    assert "tests/10a.pl: Greeting: '?' is no reason" in capsys.readouterr().err
    fails = (folder / "fails.txt").read_text()
    assert "Number # 3 (again)\tnot in v1.19: numbers\n" in fails
    assert "Dancing" not in fails
    (folder / "fails.txt").write_text(fails.replace("?", "not built: rooms"))
    assert main([str(result), "--keep", str(folder / "kept.tap")], folder) == 0
    assert main([str(folder / "kept.tap")], folder) == 0
    out = capsys.readouterr().out
    assert "as the lists say" in out
    assert "not built: rooms" in out


def test_a_run_needs_a_checkout_of_sytest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sytest_run.main([str(tmp_path), "--work", str(tmp_path), "tests/10a.pl"]) == 2
    assert "no checkout of SyTest" in capsys.readouterr().err


def test_the_lists_of_this_checkout_hold_reasons() -> None:
    lists = read_lists(sytest_report.HERE)
    assert lists.passes
    assert all(case.file for case in (*lists.passes, *lists.fails))
