"""The command `oriz`.

Each command is a file beside this one that exports a click command or group as `command`; to add one, write the file
and a line in COMMANDS. A file is imported only when its command is used, so that `oriz --help` is quick.
"""

import gc
from importlib import import_module

import click

from oriz_matrix import __version__

COMMANDS = {
    "run": "Run the server.",
    "config": "Check a configuration, or print a sample.",
    "keys": "Make signing keys.",
    "users": "Make accounts.",
    "rooms": "Look at rooms.",
    "federation": "See whether other servers can be talked with.",
    "database": "Upgrade the database, and see what takes its space.",
}


class Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # what modules make stays: to look for cycles in it takes a seventh of the time of importing
        try:
            command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        finally:
            gc.freeze()
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="oriz")
def main() -> None:
    """Oriz, a Matrix homeserver."""
