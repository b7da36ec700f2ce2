"""The arithmetic of unread counts: what of one timeline somebody has not read, from what `storage.unread` has read."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from oriz_matrix.storage.types import Position, RoomNid, ThreadNid, UserNid


class Count(NamedTuple):
    """What is unread."""

    notifications: int
    highlights: int


class Line(NamedTuple):
    """A timeline of a room: a thread, or (None) the main one."""

    room: RoomNid
    thread: ThreadNid | None


class Mode(NamedTuple):
    """From when to when a timeline's count does not hold for somebody; `muted`: nor does what they are told."""

    since: Position
    until: Position
    muted: bool


class Told(NamedTuple):
    """What an event says to somebody, or to everybody; `counted`: its timeline's count holds it."""

    position: Position
    thread: ThreadNid | None
    sender: UserNid
    notifies: bool
    highlights: bool
    counted: bool


class Gone(NamedTuple):
    """An event that a timeline counts and that is not to be counted: by nobody, or by those who ignore its sender."""

    position: Position
    thread: ThreadNid | None
    sender: UserNid | None


@dataclass(frozen=True, slots=True)
class Unread:
    """What of a timeline one user has not read: all that lies in (after, upto]."""

    line: Line
    after: Position
    upto: Position
    modes: Sequence[Mode]

    @property
    def spans(self) -> list[tuple[Position, Position]]:
        """Where in it the timeline's count holds: what lies after the first position and up to the second."""
        found, start = [], self.after
        for mode in sorted(self.modes):
            end = min(mode.since, self.upto)
            if start < end:
                found.append((start, end))
            start = max(start, mode.until)
        return [*found, (start, self.upto)] if start < self.upto else found

    def count(self, counter: Callable[[Position], int], told: Iterable[Told], gone: Collection[Gone]) -> Count:
        """`counter` is the timeline's count at a position; the rest may be of other timelines and positions as well.

        What is gone has no part in `told`.
        """
        lost = {each.position for each in gone if self._holds(each.position, each.thread)}
        notifications = sum(counter(end) - counter(start) for start, end in self.spans)
        notifications -= sum(self._mode(position) is None for position in lost)
        highlights = 0
        for each in told:
            mode = self._mode(each.position)
            if not self._holds(each.position, each.thread) or (mode is not None and mode.muted):
                continue
            notifications += each.notifies - (each.counted and mode is None)
            highlights += each.highlights
        return Count(notifications, highlights)

    def _holds(self, position: Position, thread: ThreadNid | None) -> bool:
        return thread == self.line.thread and self.after < position <= self.upto

    def _mode(self, position: Position) -> Mode | None:
        """The mode that an event came in; one that mutes where there are several."""
        found = [mode for mode in self.modes if mode.since < position <= mode.until]
        return max(found, key=lambda mode: mode.muted, default=None)
