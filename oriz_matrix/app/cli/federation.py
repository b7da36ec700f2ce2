"""`oriz federation`: whether, and how, other servers can be talked with, and this one by them."""

import asyncio
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, json_option, read_config
from oriz_matrix.app.cli.tables import moment, printable
from oriz_matrix.app.federation_check import Own, Report, check
from oriz_matrix.app.reach import reach
from oriz_matrix.base import logging, signing_key
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.listeners import Surface
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.types import AddressSet
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.net.guard import Guard
from oriz_matrix.protocol.signing import SigningKey

EVERYWHERE = AddressSet(["0.0.0.0/0", "::/0"])


@click.group("federation")
def command() -> None:
    """See whether other servers can be talked with."""


@command.command("check")
@click.argument("server", required=False)
@config_option
@json_option
def check_server(server: str | None, file: Path, *, as_json: bool) -> None:
    """Try to talk with SERVER, and tell what each step finds.

    Without SERVER, or with this server's own name, find out whether others can talk with this one.
    """
    config = read_config(file)
    logging.configure("text", "error", None)
    report = asyncio.run(_check(server or config.server_name, config))
    click.echo(msgspec.json.encode(report) if as_json else _text(report))
    if not report.ok:
        raise CommandFailed(f"{printable(report.server)} cannot be talked with", ExitCode.UNREACHABLE)


async def _check(server: str, config: Config) -> Report:
    settings, own = config.federation, _own(config) if server == config.server_name else None
    if own is not None:  # whom this server talks with says nothing of who can talk with it
        settings = replace(settings, allowed_servers=("*",), denied_servers=(), allowed_addresses=EVERYWHERE)
    reached = reach(settings, Clock(), Metrics())
    await reached.client.start()
    try:
        return await check(server, reached, moment, by_proxy=settings.proxy is not None, own=own)
    finally:
        await reached.client.stop()


def _own(config: Config) -> Own:
    settings, shut = config.federation, None
    if not settings.enabled:
        shut = "is switched off (federation.enabled)"
    elif not any(Surface.FEDERATION in listener.surfaces for listener in config.listeners):
        shut = "no listener serves it (listeners[].surfaces)"
    return Own(shut, _key(config.signing_key_path), Guard(settings.forbidden_addresses, settings.allowed_addresses))


def _key(file: Path) -> SigningKey | str:
    try:
        return signing_key.read(file)
    except FileNotFoundError:
        return f"{file} is not there: this server was never started"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    except ValueError:
        return f"{file} holds no signing key"


def _text(report: Report) -> str:
    lines = [f"{'ok' if step.ok else 'no':3} {step.step:10}  {printable(step.found)}" for step in report.steps]
    verdict = [f"\n{report.server} can be talked with."] if report.ok else []
    return "\n".join([*lines, *verdict])
