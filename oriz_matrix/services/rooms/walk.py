"""Ways through the history of a room: the events on it that somebody may and wants to see."""

from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.filters import RoomEventFilter
from oriz_matrix.protocol.tokens import PageToken, before
from oriz_matrix.protocol.visibility import Sight
from oriz_matrix.services.rooms.access import View
from oriz_matrix.services.rooms.ignored import Ignored
from oriz_matrix.storage import events, timeline
from oriz_matrix.storage.timeline import Entry, Place
from oriz_matrix.storage.transaction import Transaction

CHUNK = 100
MAX_LOOKED_AT = 5_000
"""Events that one request looks at while a filter, or what the reader may see, leaves out most of them."""


class Eyes(NamedTuple):
    """A room as a request sees it: what the reader may and wants to see, and the filter lets through."""

    view: View
    sight: Sight
    filter: RoomEventFilter
    ignored: Ignored

    def see(self, entry: Entry, event: Event) -> bool:
        """Whether an event is seen."""
        return self.sight.sees(entry.position, entry.back) and not self.ignored.hides(entry) and self.want(event)

    def want(self, event: Event) -> bool:
        """Whether the filter lets an event through."""
        return self.filter.lets(event)


class Way(NamedTuple):
    """From where to go through a room's events, which way, up to where, and how many to find."""

    start: PageToken
    backwards: bool
    stop: PageToken
    limit: int


class Walk(NamedTuple):
    """What was found on a way, the place reached, and whether there may be more behind it."""

    found: list[Entry]
    place: PageToken
    more: bool


def walk(tx: Transaction, eyes: Eyes, way: Way) -> Walk:
    """Goes the way until enough is found."""
    step = timeline.before if way.backwards else timeline.after
    stop, size = _place(way.stop), min(CHUNK, max(way.limit, 20))
    found: list[Entry] = []
    place, looked_at, more = way.start, 0, True
    while more and len(found) < way.limit and looked_at < MAX_LOOKED_AT:
        entries = step(tx, eyes.view.name.nid, _place(place), stop, size)
        more = len(entries) == size
        looked_at += len(entries)
        bodies = events.effective(tx, [entry.event for entry in entries])
        for entry in entries:
            place = before(entry.position, entry.back) if way.backwards else PageToken(entry.position, entry.back)
            if eyes.see(entry, bodies[entry.event]):
                found.append(entry)
                if len(found) == way.limit:
                    more = True
                    break
    return Walk(found, place, more)


def _place(token: PageToken) -> Place:
    return Place(token.position, token.back)
