"""`oriz config`: checks a configuration file, and prints a sample of one."""

from pathlib import Path

import click

from oriz_matrix.app.cli.options import config_option, config_wrong
from oriz_matrix.base.config import sample
from oriz_matrix.base.config.load import check


@click.group("config")
def command() -> None:
    """Check a configuration, or print a sample."""


@command.command("check")
@config_option
def check_config(file: Path) -> None:
    """Tell everything that is wrong with a configuration file."""
    problems = check(file)
    if problems:
        raise config_wrong(file, problems)
    click.echo(f"The configuration {file} is good.")


@command.command("sample")
@click.option("--reference", is_flag=True, help="Print the reference of all options (Markdown) instead.")
def print_sample(*, reference: bool) -> None:
    """Print a sample configuration with every option and its default."""
    click.echo(sample.reference() if reference else sample.sample(), nl=False)
