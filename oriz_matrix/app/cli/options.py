"""What several commands share: the option `--config`, and reading the file that it names."""

from pathlib import Path

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
