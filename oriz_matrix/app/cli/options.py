"""What several commands share: `--config` and reading the file that it names, `--json`, `--limit`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.base.config.load import load
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.problems import ConfigWrong, Problem

config_option = click.option(
    "--config",
    "-c",
    "file",
    metavar="FILE",
    required=True,
    envvar="ORIZ_CONFIG",
    type=click.Path(path_type=Path),
    help="The configuration file; also by the environment variable ORIZ_CONFIG.",
)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")

F = TypeVar("F", bound=Callable[..., Any])


def limit_option(default: int) -> Callable[[F], F]:
    """The option `--limit`: how many lines a list has; 0 means all."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        show_default=True,
        help="How many are listed; 0 for all.",
    )


def read_config(file: Path) -> Config:
    """The configuration in the file; if it is wrong, prints every problem and ends the command."""
    try:
        return load(file)
    except ConfigWrong as wrong:
        raise config_wrong(file, wrong.problems) from None


def config_wrong(file: Path, problems: list[Problem]) -> CommandFailed:
    """Print the problems, one a line, and return the failure that sums them up."""
    for problem in problems:
        click.echo(str(problem), err=True)
    number = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return CommandFailed(f"the configuration {file} has {number}", ExitCode.CONFIG)
