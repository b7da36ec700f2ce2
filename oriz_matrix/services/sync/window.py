"""What one sync answer covers: who asks, since when, up to where, and what may have changed in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oriz_matrix.protocol.filters import Filter
from oriz_matrix.services.rooms.client_events import Reader
from oriz_matrix.services.rooms.ignored import NOBODY, Ignored
from oriz_matrix.storage.recent import DEVICE_KINDS, PERSONAL_KINDS, Change
from oriz_matrix.storage.types import Position, RoomNid, UserNid


@dataclass(frozen=True, slots=True)
class Touched:
    """What the recent changes say about a window: by room, the kinds of change, and the first and last position.

    `rooms` is None where they do not reach back; `typists` are all who began or stopped typing anywhere.
    """

    rooms: Mapping[RoomNid, frozenset[str]] | None = None
    stretches: Mapping[RoomNid, tuple[Position, Position]] = field(default_factory=dict)
    typists: frozenset[UserNid] = frozenset()

    @classmethod
    def of(cls, changes: Sequence[Change] | None, reader: UserNid) -> "Touched":
        """Sorts changes by room, without what concerns devices (`services.sync.devices`), or other users alone."""
        if changes is None:
            return cls(None)
        kinds: dict[RoomNid, set[str]] = {}
        stretches: dict[RoomNid, tuple[Position, Position]] = {}
        for change in changes:
            if change.kind in DEVICE_KINDS or (change.kind in PERSONAL_KINDS and change.user != reader):
                continue
            kinds.setdefault(change.room, set()).add(change.kind)
            first, _ = stretches.get(change.room, (change.position, change.position))
            stretches[change.room] = (first, change.position)
        typists = frozenset(change.user for change in changes if change.kind == "typing")
        return cls({room: frozenset(found) for room, found in kinds.items()}, stretches, typists)

    def may(self, room: RoomNid, *kinds: str) -> bool:
        """Whether a room may have had a change of one of these kinds."""
        return self.rooms is None or not self.rooms.get(room, frozenset()).isdisjoint(kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """(since, upto]: everything that became known in it; `since` is None for a first sync.

    use_state_after: the state is wanted as it is at the end of each timeline.
    """

    reader: Reader
    since: Position | None
    upto: Position
    filter: Filter
    full_state: bool = False
    use_state_after: bool = False
    ignored: Ignored = NOBODY
    now_ms: int = 0
    touched: Touched = field(default_factory=Touched)

    @property
    def after(self) -> Position:
        """`since`, or the beginning."""
        return self.since if self.since is not None else Position(0)

    @property
    def ignores_others(self) -> bool:
        """Whether the reader's list of whom they ignore was written in it: what is unread may then differ anywhere."""
        return self.ignored.since > self.after
