"""What is read of a room: one event, its state, members, history; each bounded by what the reader may see."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden, InvalidParam, NotFound
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.filters import RoomEventFilter
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.tokens import PageToken, before
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.client_events import Reader, Shown, fragment, show, show_events
from oriz_matrix.storage import events, interning, room_state, timeline
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.timeline import Entry, Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

CHUNK = 100
MAX_LOOKED_AT = 5_000
"""Events that one request looks at while a filter drops most of them."""


class Page(NamedTuple):
    """A piece of history; `end` is None where there is nothing more."""

    start: PageToken
    end: PageToken | None
    chunk: list[Shown]
    members: list[Shown]


class PageRequest(NamedTuple):
    """What /messages asks: from where, which way, up to where, how many, which."""

    start: PageToken | None
    backwards: bool
    to: PageToken | None
    limit: int
    filter: RoomEventFilter


class MembersRequest(NamedTuple):
    """What /members asks: as of when, with which membership, without which."""

    at: PageToken | None = None
    membership: str | None = None
    not_membership: str | None = None

    def allows(self, event: Event) -> bool:
        """Whether a member event is wanted. With both conditions either is enough (client-server API)."""
        actual = event.content.get("membership")
        wanted = self.membership is not None and actual == self.membership
        other = self.not_membership is not None and actual != self.not_membership
        return wanted or other or (self.membership is None and self.not_membership is None)


class Read:
    """Reads rooms for local users. Everything raises Forbidden for who may not look into the room."""

    def __init__(self, db: Database, changes: Changes, clock: Clock, event_page: int) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._event_page = event_page

    async def event(self, requester: Requester, room_id: RoomId, event_id: EventId) -> msgspec.Raw:
        """One event. Raises NotFound also where the reader may not see it."""
        shown = await self._db.read(_event, requester, room_id, event_id)
        return self._fragment(shown)

    async def state(self, requester: Requester, room_id: RoomId) -> list[msgspec.Raw]:
        """The whole state: now, or as it was when the reader left."""
        return self._fragments(await self._db.read(_state, requester, room_id))

    async def state_event(self, requester: Requester, room_id: RoomId, key: StateKey) -> Event:
        """One state event, as it stands after redactions. Raises NotFound."""
        return await self._db.read(_state_event, requester, room_id, key)

    async def state_event_json(self, requester: Requester, room_id: RoomId, key: StateKey) -> msgspec.Raw:
        """One state event in the form of clients. Raises NotFound."""
        return self._fragment(await self._db.read(_shown_state_event, requester, room_id, key))

    async def members(self, requester: Requester, room_id: RoomId, wanted: MembersRequest) -> list[msgspec.Raw]:
        """The member events: now, when the reader left, or at a token."""
        shown = await self._db.read(_members, requester, room_id, wanted.at)
        return self._fragments([one for one in shown if wanted.allows(one.event)])

    async def messages(self, requester: Requester, room_id: RoomId, request: PageRequest) -> dict[str, Any]:
        """A page of history in the form of /messages, at most as long as the operator allows."""
        request = request._replace(limit=min(request.limit, self._event_page))
        upto = await self._changes.catch_up()
        page = await self._db.read(_messages, requester, room_id, request, upto)
        answer: dict[str, Any] = {"start": str(page.start), "chunk": self._fragments(page.chunk)}
        if page.end is not None:
            answer["end"] = str(page.end)
        if page.members:
            answer["state"] = self._fragments(page.members)
        return answer

    def _fragments(self, shown: Sequence[Shown]) -> list[msgspec.Raw]:
        now_ms = self._clock.now_ms()
        return [fragment(one, now_ms, with_room=True) for one in shown]

    def _fragment(self, shown: Shown) -> msgspec.Raw:
        return self._fragments([shown])[0]


def _reader(requester: Requester) -> Reader:
    return Reader(requester.user, requester.device)


def _event(tx: Transaction, requester: Requester, room_id: RoomId, event_id: EventId) -> Shown:
    view = access.view(tx, requester.user, room_id)
    nid = events.find(tx, [event_id]).get(event_id)
    entry = timeline.status(tx, nid) if nid is not None else None
    if entry is None or entry.room != view.name.nid:
        raise NotFound("There is no such event in this room")
    if not access.sight(tx, requester.user, view.room).sees(entry.position):
        raise NotFound("There is no such event in this room")
    return show(tx, [entry], _reader(requester))[0]


def _state(tx: Transaction, requester: Requester, room_id: RoomId) -> list[Shown]:
    view = access.view(tx, requester.user, room_id)
    return show_events(tx, room_state.at(tx, view.state).values(), _reader(requester))


def _state_event(tx: Transaction, requester: Requester, room_id: RoomId, key: StateKey) -> Event:
    view = access.view(tx, requester.user, room_id)
    found = access.at(tx, view.state, [key])
    if key not in found:
        raise NotFound("The room has no such state event")
    return found[key]


def _shown_state_event(tx: Transaction, requester: Requester, room_id: RoomId, key: StateKey) -> Shown:
    view = access.view(tx, requester.user, room_id)
    numbers = interning.find_state_keys(tx, [key])
    found = room_state.get(tx, view.state, list(numbers.values()))
    if not found:
        raise NotFound("The room has no such state event")
    return show_events(tx, found.values(), _reader(requester))[0]


def _members(tx: Transaction, requester: Requester, room_id: RoomId, at: PageToken | None) -> list[Shown]:
    view = access.view(tx, requester.user, room_id)
    state = view.state
    if at is not None and at.position < view.upto:
        newest = timeline.before(tx, view.name.nid, _place(at), Place(-1), 1)
        if newest and not access.sight(tx, requester.user, view.room).sees(newest[0].position):
            raise Forbidden("at: you may not see the room as it was then")
        state = StateAt(state.branch, Position(at.position))
    entries = timeline.statuses(tx, list(room_state.at_type(tx, state, "m.room.member").values()))
    return show(tx, entries, _reader(requester))


def _messages(tx: Transaction, requester: Requester, room_id: RoomId, request: PageRequest, upto: Position) -> Page:
    view = access.view(tx, requester.user, room_id)
    last = PageToken(min(view.upto, upto), 0)
    start = request.start
    if start is None:
        start = last if request.backwards else PageToken(0, 0)
    if request.backwards:
        walk, stop = _backwards, request.to or PageToken(-1)
    else:
        walk, stop = _forwards, min(request.to or last, last)
    sight = access.sight(tx, requester.user, view.room)
    found: list[Entry] = []
    place, looked_at, more = min(start, last), 0, True
    limit = min(request.limit, request.filter.count(request.limit))
    while more and len(found) < limit and looked_at < MAX_LOOKED_AT:
        entries = walk(tx, view, place, stop)
        more = len(entries) == CHUNK
        looked_at += len(entries)
        bodies = events.effective(tx, [entry.event for entry in entries])
        for entry in entries:
            place = before(entry.position, entry.back) if request.backwards else PageToken(entry.position, entry.back)
            event = bodies[entry.event]
            if sight.sees(entry.position) and request.filter.allows_event(
                event.room_id, event.type, event.sender, event.content
            ):
                found.append(entry)
                if len(found) == limit:
                    more = True
                    break
    shown = show(tx, found, _reader(requester))
    end = place if more or not request.backwards else None
    members = _senders(tx, view, shown, requester) if request.filter.lazy_load_members else []
    return Page(start, end if found or more else None, shown, members)


def _backwards(tx: Transaction, view: access.View, place: PageToken, stop: PageToken) -> list[Entry]:
    return timeline.before(tx, view.name.nid, _place(place), _place(stop), CHUNK)


def _forwards(tx: Transaction, view: access.View, place: PageToken, stop: PageToken) -> list[Entry]:
    return timeline.after(tx, view.name.nid, _place(place), _place(stop), CHUNK)


def _place(token: PageToken) -> Place:
    return Place(token.position, token.back)


def _senders(tx: Transaction, view: access.View, shown: Sequence[Shown], requester: Requester) -> list[Shown]:
    """The member events of those who sent what a page shows."""
    keys = [("m.room.member", sender) for sender in dict.fromkeys(one.event.sender for one in shown)]
    numbers = interning.find_state_keys(tx, keys)
    return show_events(tx, room_state.get(tx, view.state, list(numbers.values())).values(), _reader(requester))


def check_limit(limit: int) -> int:
    """The limit of a page. Raises InvalidParam for what is below one."""
    if limit < 1:
        raise InvalidParam("limit: must be at least 1")
    return limit
