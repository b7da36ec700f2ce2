"""`oriz keys generate` writes one new key to one new file, `oriz keys rotate` replaces the one in use."""

from pathlib import Path

from click.testing import CliRunner

from oriz_matrix.app.cli import main
from oriz_matrix.app.cli.exits import ExitCode
from oriz_matrix.base import signing_key
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.ids import Ids
from tests.cli.commands import oriz


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


def test_a_key_is_replaced_and_kept(local: Config) -> None:
    path = local.signing_key_path
    assert oriz(local, "keys", "rotate").exit_code == ExitCode.FILE
    path.parent.mkdir()
    old = signing_key.create(path, Ids())
    result = oriz(local, "keys", "rotate")
    new = signing_key.read(path)
    kept = path.with_name(f"signing.key.{old.key_id.removeprefix('ed25519:')}")
    assert new.key_id != old.key_id
    assert signing_key.read(kept).to_text() == old.to_text()
    assert result.output == f"{path} holds the new key {new.key_id}, for the next start; {kept} the old one\n"
    assert {each.stat().st_mode & 0o777 for each in (path, kept)} == {0o600}


def test_nothing_is_lost_when_a_key_cannot_be_kept(local: Config) -> None:
    path = local.signing_key_path
    path.parent.mkdir()
    old = signing_key.create(path, Ids())
    path.with_name(f"signing.key.{old.key_id.removeprefix('ed25519:')}").write_text("precious")
    assert oriz(local, "keys", "rotate").exit_code == ExitCode.EXISTS
    assert signing_key.read(path).to_text() == old.to_text()
    path.write_text("nonsense")
    result = oriz(local, "keys", "rotate")
    assert (result.exit_code, result.stderr) == (ExitCode.FILE, f"Error: {path} holds no signing key\n")
