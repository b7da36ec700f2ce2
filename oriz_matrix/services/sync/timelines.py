"""The timeline of a room in a sync answer: the newest events that the filter lets through and the reader may see."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.filters import RoomEventFilter
from oriz_matrix.protocol.tokens import PageToken, before
from oriz_matrix.protocol.visibility import Sight
from oriz_matrix.services.rooms.client_events import Shown
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import events, gaps, timeline
from oriz_matrix.storage.timeline import Entry, Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, StateKeyNid

CHUNK = 100
MAX_LOOKED_AT = 1_000
"""Events of a room that one answer looks at, about, while a filter drops most of them."""


class Seen(NamedTuple):
    """A room as somebody sees it; without a sight they see everything of the window."""

    room: SyncRoom
    sight: Sight | None


class Timeline(NamedTuple):
    """The newest events of a stretch, oldest first; `limited` when the stretch has older ones."""

    entries: list[Entry]
    limited: bool
    prev_batch: PageToken


def timelines(tx: Transaction, window: Window, upto: Position, rooms: Sequence[Seen]) -> list[Timeline]:
    """The timelines of several rooms up to a position; those of rooms that are new to the client are read together."""
    limit = window.filter.room.timeline.count()
    new = [seen.room.room.nid for seen in rooms if _after(window, seen.room).position < 0]
    firsts = timeline.newest(tx, new, upto, limit + 1) if new else {}
    shared = [seen.room.room.nid for seen in rooms if seen.room.room.elsewhere]
    holes = gaps.within(tx, shared, window.after, upto) if shared else {}
    found = []
    for seen in rooms:
        nid = seen.room.room.nid
        if nid in holes:
            found.append(_after_hole(tx, window, upto, seen, holes[nid]))
        else:
            found.append(_timeline(tx, window, upto, seen, _after(window, seen.room), firsts.get(nid)))
    return found


def _after(window: Window, room: SyncRoom) -> Place:
    new_to_client = room.fresh and not window.full_state
    return Place(-1) if new_to_client or window.since is None else Place(window.since)


def _after_hole(tx: Transaction, window: Window, upto: Position, seen: Seen, hole: Position) -> Timeline:
    """The timeline from the newest hole in the log on: what is missing in it is fetched when somebody pages back."""
    found = _timeline(tx, window, upto, seen, Place(hole, -1), None)
    if found.limited:
        return found
    return Timeline(found.entries, limited=True, prev_batch=before(hole, 0))


def _timeline(
    tx: Transaction, window: Window, upto: Position, seen: Seen, after: Place, first: list[Entry] | None
) -> Timeline:
    """What lies after a place. `first`: its newest entries where they were read, one more than the limit or all.

    A state event of which a newer one under the same key is not shown ends the timeline: the newer one goes into the
    state, which clients apply first, and the older one would undo it. After a long way that shows little the timeline
    ends too, and the client may page on.
    """
    room, sight = seen
    wanted = window.filter.room.timeline
    limit = wanted.count()
    if Place(room.room.latest) <= after:
        return Timeline([], limited=False, prev_batch=PageToken(upto))
    place, found, newest_is_shown = Place(upto), list[Entry](), dict[StateKeyNid, bool]()
    size, looked_at = limit + 1, 0
    while True:
        chunk = first if first is not None else timeline.before(tx, room.room.nid, place, after, size)
        allowed = _allowed(tx, window, chunk, sight)
        looked_at += len(chunk)
        for entry in chunk:
            is_allowed = entry.event in allowed
            is_current = (
                window.use_state_after
                or entry.state_key is None
                or newest_is_shown.setdefault(entry.state_key, is_allowed)
            )
            if not is_allowed:
                continue
            if len(found) == limit or not is_current:
                start = before(found[-1].position, found[-1].back) if found else PageToken(entry.position, entry.back)
                return Timeline(found[::-1], limited=True, prev_batch=start)
            found.append(entry)
        is_whole = len(chunk) < size
        if is_whole or looked_at >= MAX_LOOKED_AT:
            start = before(found[-1].position, found[-1].back) if found else PageToken(upto)
            return Timeline(found[::-1], limited=not is_whole, prev_batch=start)
        oldest = before(chunk[-1].position, chunk[-1].back)
        place, first, size = Place(oldest.position, oldest.back), None, max(limit + 1, CHUNK)


def _allowed(tx: Transaction, window: Window, chunk: Sequence[Entry], sight: Sight | None) -> set[EventNid]:
    """The events that the filter lets through and the reader may see."""
    wanted = window.filter.room.timeline
    seen = [
        entry for entry in chunk if not window.ignored.hides(entry) and (sight is None or sight.sees(entry.position))
    ]
    if wanted.allows_all:
        return {entry.event for entry in seen}
    bodies = events.effective(tx, [entry.event for entry in seen])
    return {entry.event for entry in seen if wanted.lets(bodies[entry.event])}


def passes(wanted: RoomEventFilter, shown: Shown) -> bool:
    """Whether a filter lets an event through."""
    return wanted.lets(shown.event)
