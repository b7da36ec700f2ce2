"""`oriz keys generate` writes one new key to one new file."""

from pathlib import Path

from click.testing import CliRunner

from oriz_matrix.app.cli import main
from oriz_matrix.app.cli.exits import ExitCode
from oriz_matrix.base import signing_key


def test_a_key_is_made_and_named(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    result = CliRunner().invoke(main, ["keys", "generate", "--output", str(file)])
    assert result.exit_code == ExitCode.OK
    key = signing_key.read(file)
    public = key.verify_key.to_base64()
    assert result.output == f"{file} holds the new key {key.key_id}; its public half is {public}\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    file.write_text("precious")
    result = CliRunner().invoke(main, ["keys", "generate", "--output", str(file)])
    assert result.exit_code == ExitCode.EXISTS
    assert result.stderr == f"Error: {file} exists already, and keys are not overwritten\n"
    assert file.read_text() == "precious"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    file = tmp_path / "no" / "signing.key"
    result = CliRunner().invoke(main, ["keys", "generate", "--output", str(file)])
    assert result.exit_code == ExitCode.FILE
    assert result.stderr == f"Error: {file} cannot be written: No such file or directory\n"
