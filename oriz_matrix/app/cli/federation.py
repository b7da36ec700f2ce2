"""`oriz federation`: whether, and how, other servers can be talked with."""

import asyncio
from pathlib import Path

import click
import msgspec

from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, json_option, read_config
from oriz_matrix.app.cli.tables import moment, printable
from oriz_matrix.app.federation_check import Report, check
from oriz_matrix.app.reach import reach
from oriz_matrix.base import logging
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.federation import Federation
from oriz_matrix.base.metrics import Metrics


@click.group("federation")
def command() -> None:
    """See whether other servers can be talked with."""


@command.command("check")
@click.argument("server")
@config_option
@json_option
def check_server(server: str, file: Path, *, as_json: bool) -> None:
    """Try to talk with SERVER, which may be this server's own public name, and tell what each step finds."""
    config = read_config(file)
    logging.configure("text", "error", None)
    report = asyncio.run(_check(server, config.federation))
    click.echo(msgspec.json.encode(report) if as_json else _text(report))
    if not report.ok:
        raise CommandFailed(f"{printable(server)} cannot be talked with", ExitCode.UNREACHABLE)


async def _check(server: str, settings: Federation) -> Report:
    reached = reach(settings, Clock(), Metrics())
    await reached.client.start()
    try:
        return await check(server, reached, moment, by_proxy=settings.proxy is not None)
    finally:
        await reached.client.stop()


def _text(report: Report) -> str:
    lines = [f"{'ok' if step.ok else 'no':3} {step.step:10}  {printable(step.found)}" for step in report.steps]
    verdict = [f"\n{report.server} can be talked with."] if report.ok else []
    return "\n".join([*lines, *verdict])
