"""`oriz run`: the server."""

from pathlib import Path

import click

from oriz_matrix.app import serve
from oriz_matrix.app.cli.database import explained
from oriz_matrix.app.cli.options import config_option, read_config
from oriz_matrix.base import logging


@click.command("run")
@config_option
def command(file: Path) -> None:
    """Run the server until it is told to stop (SIGTERM, or Ctrl-C)."""
    config = read_config(file)
    with explained():
        logging.configure(config.logging.format.value, config.logging.level.value, config.logging.file)
        serve.serve(config, _announce)


def _announce(addresses: list[str]) -> None:
    for address in addresses:
        click.echo(f"Listening on {address}", err=True)
