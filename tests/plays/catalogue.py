"""All plays by name, and in which room versions each can be given.

A play that needs something of the room version says so by a flag of `RoomVersion`: `@needs("knock")`. What a make of
server is known not to do is marked as well, with the reason beside it: `@unless(b="synapse")`.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import NamedTuple

from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.plays.stage import Stage

Act = Callable[[Stage], Awaitable[None]]


class Play(NamedTuple):
    """One play; `name` is that of its file and its function."""

    name: str
    act: Act

    @property
    def versions(self) -> list[str]:
        """The room versions in which it can be given."""
        flags = getattr(self.act, "needs", ())
        return [name for name, version in ROOM_VERSIONS.items() if all(getattr(version, flag) for flag in flags)]

    def suits(self, pair: Mapping[str, str]) -> bool:
        """Whether it can be given by servers of these makes, by their letters."""
        spared: Mapping[str, str] = getattr(self.act, "unless", {})
        return all(pair.get(letter) != make for letter, make in spared.items())


def needs(*flags: str) -> Callable[[Act], Act]:
    """Marks a play for room versions with all these flags."""

    def mark(act: Act) -> Act:
        act.needs = flags  # type: ignore[attr-defined]
        return act

    return mark


def unless(**makes: str) -> Callable[[Act], Act]:
    """Marks a play that does not work where the server of a letter is of that make."""

    def mark(act: Act) -> Act:
        act.unless = makes  # type: ignore[attr-defined]
        return act

    return mark


def plays_of(*modules: ModuleType) -> list[Play]:
    """The plays in some files, in their order."""
    return [
        Play(f"{module.__name__.rsplit('.', 1)[-1]}.{name}", act)
        for module in modules
        for name, act in vars(module).items()
        if inspect.iscoroutinefunction(act) and act.__module__ == module.__name__ and not name.startswith("_")
    ]


def in_versions(plays: Iterable[Play], versions: Iterable[str]) -> list[tuple[Play, str]]:
    """Each play with each of these room versions in which it can be given."""
    chosen = list(versions)
    return [(play, version) for play in plays for version in chosen if version in play.versions]
