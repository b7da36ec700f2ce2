"""`oriz config` checks files and prints the sample."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from oriz_matrix.app.cli import main
from oriz_matrix.app.cli.exits import ExitCode

ROOT = Path(__file__).parents[2]


def test_a_good_file_is_said_to_be_good(tmp_path: Path) -> None:
    file = tmp_path / "oriz.yaml"
    file.write_text("server_name: example.org\n")
    for options, environment in ((["--config", str(file)], {}), ([], {"ORIZ_CONFIG": str(file)})):
        result = CliRunner().invoke(main, ["config", "check", *options], env=environment)
        assert (result.exit_code, result.output) == (ExitCode.OK, f"The configuration {file} is good.\n")


def test_every_problem_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "oriz.yaml"
    file.write_text("server_name: example.org\ndata_dr: x\nrooms: 5\n")
    result = CliRunner().invoke(main, ["config", "check", "--config", str(file)])
    assert result.exit_code == ExitCode.CONFIG
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{file}:2: data_dr: there is no such option (did you mean `data_dir`?)",
        f"{file}:3: rooms: expected a section of options, found 5",
        f"Error: the configuration {file} has 2 problems",
    ]


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", "check", "--config", str(tmp_path / "no.yaml")])
    assert result.exit_code == ExitCode.CONFIG
    assert "cannot be read: No such file or directory" in result.stderr


def test_secrets_come_from_the_environment_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "oriz.yaml"
    file.write_text("server_name: example.org\ndatabase: {engine: postgresql}\n")
    arguments = ["config", "check", "--config", str(file)]
    assert CliRunner().invoke(main, arguments).exit_code == ExitCode.CONFIG
    monkeypatch.setenv("ORIZ_DATABASE_URL", "postgresql://localhost/oriz")
    assert CliRunner().invoke(main, arguments).exit_code == ExitCode.OK


def test_the_sample_and_the_reference_are_printed() -> None:
    for options, file in (([], "config.example.yaml"), (["--reference"], "docs/configuration.md")):
        result = CliRunner().invoke(main, ["config", "sample", *options])
        assert (result.exit_code, result.output) == (ExitCode.OK, (ROOT / file).read_text())
