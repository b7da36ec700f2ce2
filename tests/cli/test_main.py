"""The command as a whole: its entry points, its help, its exit codes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from pkgutil import resolve_name

from click.testing import CliRunner

from oriz_matrix import __version__
from oriz_matrix.app.cli import COMMANDS, main
from oriz_matrix.app.cli.exits import ExitCode

ROOT = Path(__file__).parents[2]


def oriz(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, as somebody types it."""
    command = [sys.executable, "-m", "oriz_matrix", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_process_ends_with_the_code_and_one_sentence(tmp_path: Path) -> None:
    assert oriz("--version").stdout == f"oriz, version {__version__}\n"
    (tmp_path / "oriz.yaml").write_text("server_name: [\n")
    done = oriz("config", "check", "--config", str(tmp_path / "oriz.yaml"))
    assert (done.returncode, done.stdout) == (ExitCode.CONFIG, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(f"Error: the configuration {tmp_path / 'oriz.yaml'} has one problem\n")


def test_the_help_names_all_commands_and_imports_none() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == ExitCode.OK
    assert all(re.search(rf"^  {name} +\S", result.output, re.MULTILINE) for name in COMMANDS)
    script = (
        "import sys; from oriz_matrix.app.cli import main; main(['--help'], standalone_mode=False); "
        "print([name for name in sys.modules if name in ('msgspec', 'yaml', 'aiohttp', 'nacl', 'psycopg')])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_each_command_says_what_the_list_says() -> None:
    for name, summary in COMMANDS.items():
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == ExitCode.OK
        assert summary.rstrip(".") in result.output


def test_a_wrong_command_line_is_misuse() -> None:
    for arguments in (["konfig"], ["config", "check", "--konfig"], ["config", "check"], ["keys", "generate"]):
        result = CliRunner().invoke(main, arguments, env={"ORIZ_CONFIG": None})
        assert result.exit_code == ExitCode.USAGE
        assert "Error: " in result.stderr


def test_the_exit_codes_are_documented() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    documented = re.findall(r"^\| (\d+) \| (\w+) \|", page, re.MULTILINE)
    assert documented == [(str(int(code)), code.name) for code in ExitCode]


def test_the_package_installs_the_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert resolve_name(scripts["oriz"]) is main
