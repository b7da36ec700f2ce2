"""The history of a room: pages of it, what stands around an event, and the event nearest to a time.

Each event is judged by the rules of history visibility. Source: client-server API, "Room History Visibility", "Getting
events for a room", "Event Context".
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import InvalidParam, NotFound
from oriz_matrix.protocol.event_contents import member_key
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.filters import RoomEventFilter
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.tokens import PageToken, before
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.access import View
from oriz_matrix.services.rooms.client_events import Reader, Shown, fragment, show, show_events
from oriz_matrix.services.rooms.ignored import Ignored, IgnoredUsers
from oriz_matrix.services.rooms.walk import CHUNK, MAX_LOOKED_AT, Eyes, Way, walk
from oriz_matrix.storage import events, gaps, interning, room_state, timeline
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.gaps import Gap
from oriz_matrix.storage.timeline import LATEST, Moment
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, RoomNid

MEMBER = "m.room.member"


FILLS = 3
"""So many times one request fetches history from other servers."""

Fill = Callable[[RoomId, Gap], Awaitable[bool]]
"""Fetches some of what is missing in a hole; whether anything came."""


async def nobody_fills(_room_id: RoomId, _hole: Gap) -> bool:
    """Where this server talks with no other."""
    return False


class PageRequest(NamedTuple):
    """What /messages asks: from where, which way, up to where, how many, which."""

    start: PageToken | None
    backwards: bool
    to: PageToken | None
    limit: int
    filter: RoomEventFilter


class Page(NamedTuple):
    """A piece of history; `end` is None where there is nothing more."""

    start: PageToken
    end: PageToken | None
    chunk: list[Shown]
    members: list[Shown]


class ContextRequest(NamedTuple):
    """What /context asks: around which event, how many events in all, which."""

    event_id: EventId
    limit: int
    filter: RoomEventFilter


class Context(NamedTuple):
    """An event with those before it, newest first, those after it, and the state after the last of them all."""

    start: PageToken
    before: list[Shown]
    event: Shown
    after: list[Shown]
    end: PageToken
    state: list[Shown]


class History:
    """Reads the history of rooms for local users. Everything raises Forbidden for who may not look into the room."""

    def __init__(self, db: Database, ignored: IgnoredUsers, clock: Clock, event_page: int) -> None:
        """`event_page`: how many events one answer has at most."""
        self._fill: Fill = nobody_fills
        self._db = db
        self._ignored = ignored
        self._clock = clock
        self._event_page = event_page

    def fill_with(self, fill: Fill) -> None:
        """Says how holes in logs are filled."""
        self._fill = fill

    async def messages(self, requester: Requester, room_id: RoomId, request: PageRequest) -> dict[str, Any]:
        """A page of history in the form of /messages, at most as long as the operator allows."""
        request = request._replace(limit=min(request.limit, self._event_page))
        ignored = await self._ignored.now(requester.user)
        page, hole = await self._db.read(_messages, requester, room_id, request, ignored)
        for _ in range(FILLS):
            if hole is None or not await self._fill(room_id, hole):
                break
            page, hole = await self._db.read(_messages, requester, room_id, request, ignored)
        if hole is not None:  # nobody tells what is in it: on with what lies before it
            page, _ = await self._db.read(_messages, requester, room_id, request, ignored, over_holes=True)
        answer: dict[str, Any] = {"start": str(page.start), "chunk": self._fragments(page.chunk)}
        if page.end is not None:
            answer["end"] = str(page.end)
        if page.members:
            answer["state"] = self._fragments(page.members)
        return answer

    async def context(self, requester: Requester, room_id: RoomId, request: ContextRequest) -> dict[str, Any]:
        """What stands around an event, in the form of /context. Raises NotFound also for what may not be seen."""
        request = request._replace(limit=min(request.limit, self._event_page))
        ignored = await self._ignored.now(requester.user)
        context = await self._db.read(_context, requester, room_id, request, ignored)
        return {
            "start": str(context.start),
            "events_before": self._fragments(context.before),
            "event": self._fragments([context.event])[0],
            "events_after": self._fragments(context.after),
            "end": str(context.end),
            "state": self._fragments(context.state),
        }

    async def at_time(self, requester: Requester, room_id: RoomId, ts: int, *, backwards: bool) -> Event:
        """The event that was sent nearest to a time (milliseconds), at it or before or after it. Raises NotFound."""
        step = timeline.sent_until if backwards else timeline.sent_from
        moment = Moment(min(max(ts, -1), LATEST), EventNid(LATEST if backwards else -1))
        ignored = await self._ignored.now(requester.user)
        return await self._db.read(_at_time, requester, room_id, moment, step, ignored)

    def _fragments(self, shown: Sequence[Shown]) -> list[msgspec.Raw]:
        now_ms = self._clock.now_ms()
        return [fragment(one, now_ms, with_room=True) for one in shown]


def check_limit(limit: int, least: int = 1) -> int:
    """The limit of a page. Raises InvalidParam for what is below the least."""
    if limit < least:
        raise InvalidParam(f"limit: must be at least {least}")
    return limit


def _last(view: View) -> PageToken:
    """Behind all that somebody may see of a room.

    A room's events are committed in the order of their positions, so nothing comes before its latest one any more,
    though the settled position may lie further back: who was answered finds what they sent.
    """
    return PageToken(min(view.upto, view.room.latest))


def _messages(
    tx: Transaction,
    requester: Requester,
    room_id: RoomId,
    request: PageRequest,
    ignored: Ignored,
    *,
    over_holes: bool = False,
) -> tuple[Page, Gap | None]:
    """A page, and the hole at which it ends though more is wanted, unless holes are passed over."""
    view = access.view(tx, requester.user, room_id)
    last = _last(view)
    start = request.start
    if start is None:
        start = last if request.backwards else PageToken(0)
    stop = (request.to or PageToken(-1)) if request.backwards else min(request.to or last, last)
    limit = min(request.limit, request.filter.count(request.limit))
    eyes = Eyes(view, access.sight(tx, requester.user, view.room), request.filter, ignored)
    hole = None
    if request.backwards and view.room.elsewhere and not over_holes:
        hole = gaps.before(tx, view.name.nid, Position(min(start, last).position))
    if hole is not None:
        stop = max(stop, before(hole.position, hole.back))
    found, place, more = walk(tx, eyes, Way(min(start, last), request.backwards, stop, limit))
    reader = _reader(requester)
    shown = show(tx, found, reader)
    end = place if more or not request.backwards else None
    members = _senders(tx, view.state, shown, reader) if request.filter.lazy_load_members else []
    page = Page(start, end if found or more else None, shown, members)
    return page, None if more or len(found) >= limit else hole


def _context(
    tx: Transaction,
    requester: Requester,
    room_id: RoomId,
    request: ContextRequest,
    ignored: Ignored,
) -> Context:
    view = access.view(tx, requester.user, room_id)
    eyes = Eyes(view, access.sight(tx, requester.user, view.room), request.filter, ignored)
    entry = access.entry(tx, view, eyes.sight, request.event_id)
    ignored.check(entry)
    here, last = PageToken(entry.position, entry.back), _last(view)
    limit = min(request.limit, request.filter.count(request.limit))
    earlier = walk(tx, eyes, Way(before(entry.position, entry.back), True, PageToken(-1), limit // 2))
    later = walk(tx, eyes, Way(here, False, max(last, here), limit - limit // 2))
    reader = _reader(requester)
    middle, after = show(tx, [entry], reader)[0], show(tx, later.found, reader)
    context = Context(earlier.place, show(tx, earlier.found, reader), middle, after, later.place, [])
    newest = (later.found or [entry])[-1]
    return context._replace(state=_state(tx, StateAt(view.state.branch, newest.position), context, eyes, reader))


def _state(tx: Transaction, state: StateAt, context: Context, eyes: Eyes, reader: Reader) -> list[Shown]:
    """The state that goes with a context; with lazily loaded members, of these only those who sent its events."""
    if not eyes.filter.lazy_load_members:
        found = show_events(tx, room_state.at(tx, state).values(), reader)
    else:
        others = room_state.at_each(tx, [state], MEMBER)[state.branch]
        seen = [*context.before, context.event, *context.after]
        found = [*show_events(tx, others.values(), reader), *_senders(tx, state, seen, reader)]
    return [shown for shown in found if eyes.want(shown.event)]


def _at_time(
    tx: Transaction,
    requester: Requester,
    room_id: RoomId,
    moment: Moment,
    step: Callable[[Transaction, RoomNid, Moment, int], list[tuple[Moment, Position]]],
    ignored: Ignored,
) -> Event:
    """The first event that the reader may see, going on from a moment by steps."""
    view = access.view(tx, requester.user, room_id)
    sight = access.sight(tx, requester.user, view.room)
    for _ in range(0, MAX_LOOKED_AT, CHUNK):
        found = step(tx, view.name.nid, moment, CHUNK)
        for (_, event), position in found:
            if sight.sees(position) and not (ignored.users and _is_hidden(tx, event, ignored)):
                return events.load(tx, [event])[event]
        if len(found) < CHUNK:
            break
        moment, _ = found[-1]
    raise NotFound("There is no event on that side of the time")


def _is_hidden(tx: Transaction, event: EventNid, ignored: Ignored) -> bool:
    entry = timeline.status(tx, event)
    return entry is not None and ignored.hides(entry)


def _senders(tx: Transaction, state: StateAt, shown: Sequence[Shown], reader: Reader) -> list[Shown]:
    """The member events of those who sent what is shown."""
    keys = [member_key(sender) for sender in dict.fromkeys(one.event.sender for one in shown)]
    numbers = interning.find_state_keys(tx, keys)
    return show_events(tx, room_state.get(tx, state, list(numbers.values())).values(), reader)


def _reader(requester: Requester) -> Reader:
    return Reader(requester.user, requester.device)
