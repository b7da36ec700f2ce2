"""How a command ends: its exit code, and the one sentence that says why. docs/commands.md lists the codes."""

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """Tells scripts what went wrong; a number never changes its meaning."""

    OK = 0
    FAILED = 1  # a fault in Oriz itself, or interrupted
    USAGE = 2  # the command line is wrong (click's own code)
    CONFIG = 3  # the configuration is wrong
    FILE = 4  # a file or folder cannot be read, written or made
    EXISTS = 5  # something that must be new is there already
    LISTENER = 6  # an address or socket cannot be listened at
    DATABASE = 7  # the database cannot be reached or used
    DATABASE_TOO_NEW = 8  # the database was upgraded by a newer Oriz
    OTHER_SERVER = 9  # the database belongs to a server of another name
    REFUSED = 10  # what was asked for is against the rules (a user name, a password)
    NOT_FOUND = 11  # what was asked for is not there (a room)
    UNREACHABLE = 12  # another server cannot be talked with


class CommandFailed(click.ClickException):
    """Ends the command with one sentence on the standard error stream and a code of its own."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]  # click reads it from the instance as well
