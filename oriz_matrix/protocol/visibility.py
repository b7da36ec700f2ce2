"""May this user, or this server, see this event: the rules of history visibility.

`visible` is the rule for one event; `Sight` applies it to many events of a room from two short lists of changes, by
bisection. What it takes for "at the event" is the more open of before and after the event, which differ only for a
change of the visibility and for the user's own membership (traps.md 46). So the event that ends a stay is seen by who
leaves, and nothing after it, unless they come back (traps.md 44).

Where the state at an event is not known (backfilled history) take STRICTEST and no membership.
Ignored users, erasure and redaction are not decided here.
Source: client-server API, "Room History Visibility".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")

STRICTEST = "joined"

Change = tuple[int, str]
"""(position, value): a state key's new value, from the event at this position on."""


def visible(visibility: str, membership: str | None, *, joins_later: bool) -> bool:
    """Whether a user sees an event.

    `visibility`: the history visibility at the event (`event_contents.history_visibility`); `membership`: the user's
    at the event; `joins_later`: whether they joined the room at any point after the event.
    """
    return (
        visibility == "world_readable"
        or membership == "join"
        or (visibility == "shared" and joins_later)
        or (visibility == "invited" and membership == "invite")
    )


def visible_around(visibilities: Collection[str], memberships: Collection[str | None], *, joins_later: bool) -> bool:
    """The same with the values before and after the event, of which the more open ones count."""
    return any(visible(v, m, joins_later=joins_later) for v in visibilities for m in memberships)


def visible_to_server(visibilities: Collection[str], memberships: Collection[str | None], *, joins_later: bool) -> bool:
    """Whether a server may have an event in full: when any of its users sees it, else it gets the redacted form.

    `memberships`: those of the server's users around the event, in any order and number; `joins_later`: whether any
    of them joined after it. See traps.md 30.
    """
    return visible_around(visibilities, memberships or (None,), joins_later=joins_later)


class Older(NamedTuple):
    """The changes of history visibility in what was fetched into a hole, as (back, value), ascending; `first` holds
    before them: `STRICTEST` while that is not known."""

    changes: Sequence[Change]
    first: str


class Sight:
    """What one user sees of one room, from the changes of its history visibility and of their membership there.

    Both lists ascend by position and begin with the room's start, or with an entry that says what held at the start
    of the stretch in question. A position is that of the event which made the change.
    """

    def __init__(
        self,
        visibility: Sequence[Change],
        membership: Sequence[Change],
        older: Mapping[int, Older] = MappingProxyType({}),
    ) -> None:
        """`older`: by position, what was fetched into the hole just before it."""
        self._older = older
        self._visibility = _Course[str](visibility, "shared")
        self._membership = _Course[str | None](membership, None)
        self._last_join = max((at for at, value in membership if value == "join"), default=-1)

    def sees(self, position: int, back: int = 0) -> bool:
        """Whether the user sees the event at this position; with `back` below 0, one in the hole just before it."""
        if back < 0:
            membership, _ = self._membership.around(position)
            joins_later = position <= self._last_join
            return visible_around(self._visibility_in_hole(position, back), [membership], joins_later=joins_later)
        return visible_around(
            self._visibility.around(position),
            self._membership.around(position),
            joins_later=position < self._last_join,
        )

    def _visibility_in_hole(self, position: int, back: int) -> tuple[str, str]:
        """The values before and after an event that was fetched later.

        A value holds from its event on, so what is in force after the hole is that of the last change in it, and was in
        force in all of it where there is none. Before the first change it is not known until the hole is filled.
        """
        held, _ = self._visibility.around(position)
        older = self._older.get(position)
        if older is None or not older.changes:
            return held, held
        return _Course[str](older.changes, older.first).around(back)


class _Course(Generic[Value]):
    """The values of one state key over time."""

    def __init__(self, changes: Sequence[tuple[int, Value]], before: Value) -> None:
        self._positions = [at for at, _ in changes]
        self._values = [before, *(value for _, value in changes)]

    def around(self, position: int) -> tuple[Value, Value]:
        """The values before and after the event at the position."""
        before = bisect_left(self._positions, position)
        after = bisect_right(self._positions, position)
        return self._values[before], self._values[after]
