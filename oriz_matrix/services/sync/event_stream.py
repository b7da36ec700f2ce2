"""GET /events: what clients used before /sync, as a view over what sync reads.

It knows nothing of what came later: devices, threads, summaries; presence is not in it yet. With a room it serves those
too who only look into the room. Source: client-server API, data/api/client-server/{old_sync,peeking_events}.yaml.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import GuestAccessForbidden, NotFound
from oriz_matrix.protocol.filters import EVERYTHING, EventFilter, Filter, RoomEventFilter, RoomFilter
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.tokens import PageToken, SyncToken
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.changes import Changes, Channel, room_channel, user_channel
from oriz_matrix.services.rooms.client_events import Reader, Shown
from oriz_matrix.services.rooms.history import History, PageRequest
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.rooms.read import Read
from oriz_matrix.services.sync.old_reads import Found, account_data, find, invite, old_form
from oriz_matrix.services.sync.respond import LONGEST_POLL_S
from oriz_matrix.services.sync.shape import Shaper
from oriz_matrix.services.sync.window import Touched, Window
from oriz_matrix.storage import events, membership, rooms, timeline
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid

Json = dict[str, Any]

MOST = 1_000
"""Events of one room in one answer; older ones are left out, as in a limited timeline."""

_TIMELINE = RoomEventFilter(limit=MOST)
_NOTHING = EventFilter(types=())


class EventsRequest(NamedTuple):
    """What is asked: after which token, how long to wait, of which room alone."""

    start: PageToken | None
    timeout_s: float
    room_id: RoomId | None


class _News(NamedTuple):
    """What is new, the token that goes on behind it, and the channels on which more can happen."""

    chunk: list[Any]
    end: str
    channels: frozenset[Channel]


class EventStream:
    """Answers /events."""

    def __init__(
        self,
        db: Database,
        changes: Changes,
        sessions: Sessions,
        ignored: IgnoredUsers,
        rooms: tuple[Read, History],
        clock: Clock,
    ) -> None:
        """`rooms`: how rooms are read by those who are not in them."""
        self._db = db
        self._changes = changes
        self._sessions = sessions
        self._ignored = ignored
        self._read, self._history = rooms
        self._clock = clock

    async def respond(self, requester: Requester, request: EventsRequest) -> Json:
        """What happened after a token, or happens from now on; waits for it until the time is over.

        Raises GuestAccessForbidden for guests who name no room, Forbidden for who may not look into the room.
        """
        if requester.is_guest and request.room_id is None:
            raise GuestAccessForbidden("room_id: guests must name a room")
        upto = await self._changes.catch_up()
        since = upto if request.start is None else Position(request.start.position)
        if self._changes.is_lost(since):
            since = upto
        deadline = self._clock.monotonic() + min(request.timeout_s, LONGEST_POLL_S)
        while True:
            news = await self._news(requester, request.room_id, since, upto)
            left = deadline - self._clock.monotonic()
            if news.chunk or left <= 0 or self._changes.stopping:
                return {"start": str(SyncToken(since)), "end": news.end, "chunk": news.chunk}
            with self._changes.register(news.channels) as waiter:
                if self._changes.untouched(news.channels, upto):
                    await waiter.wait(left)
            await self._sessions.require_open(requester)
            upto = self._changes.settled

    async def event(self, requester: Requester, event_id: EventId) -> msgspec.Raw:
        """One event, whichever room it is in. Raises NotFound also for what the reader may not see."""
        room_id = await self._db.read(_room_of, event_id)
        if room_id is None:
            raise NotFound("There is no such event, or you may not see it")
        return await self._read.event(requester, room_id, event_id)

    async def _news(self, requester: Requester, room_id: RoomId | None, since: Position, upto: Position) -> _News:
        stays = await self._db.read(membership.of_user, requester.user, upto)
        joined = [stay.room for stay in stays if stay.membership == "join"]
        if room_id is not None:
            nid = await self._db.read(_number, room_id)
            if nid not in joined:
                return await self._peek(requester, room_id, nid, since)
            joined = [nid]
        window = Window(
            reader=Reader(requester.user, requester.device),
            since=since,
            upto=upto,
            filter=_filter(room_id),
            ignored=await self._ignored.of(requester.user, upto),
            now_ms=self._clock.now_ms(),
            touched=Touched.of(self._changes.between(since, upto), requester.user),
        )
        found = await self._db.read(find, window, stays)
        channels = frozenset([user_channel(requester.user), *map(room_channel, joined)])
        chunk = [*_chunk(window, found, Shaper(window, requester.user_id, found.data))]
        return _News(chunk, str(SyncToken(max(since, upto))), channels)

    async def _peek(self, requester: Requester, room_id: RoomId, nid: RoomNid | None, since: Position) -> _News:
        """A room that the reader is not in. Raises Forbidden where they may not look into it."""
        request = PageRequest(PageToken(since), backwards=False, to=None, limit=MOST, filter=EVERYTHING)
        page = await self._history.messages(requester, room_id, request)
        channels = [user_channel(requester.user), *([room_channel(nid)] if nid is not None else ())]
        return _News(page["chunk"], page.get("end", str(SyncToken(since))), frozenset(channels))


def _filter(room_id: RoomId | None) -> Filter:
    if room_id is None:
        return Filter(room=RoomFilter(timeline=_TIMELINE))
    return Filter(account_data=_NOTHING, room=RoomFilter(rooms=(room_id,), timeline=_TIMELINE))


def _chunk(window: Window, found: Found, shaper: Shaper) -> Iterable[Any]:
    """All that is new: events in their order, then what has none."""
    data = found.data
    timelines = [shown for room in (*data.joined, *data.left) for shown in room.timeline]
    for shown in sorted((one for one in timelines if _place(one)[0] > window.after), key=_place):
        yield old_form(shown, window.now_ms)
    for shown, state in found.invites.values():
        yield invite(shown, state, window.now_ms)
    for room in data.joined:
        for one in (*shaper.ephemeral(room), *shaper.room_account_data(room)):
            yield {**one, "room_id": room.room_id}
    yield from account_data(shaper)


def _place(shown: Shown) -> tuple[int, int]:
    return shown.entry.position or 0, shown.entry.back or 0


def _number(tx: Transaction, room_id: RoomId) -> RoomNid | None:
    name = rooms.find(tx, room_id)
    return None if name is None else name.nid


def _room_of(tx: Transaction, event_id: EventId) -> RoomId | None:
    nid = events.find(tx, [event_id]).get(event_id)
    entry = timeline.status(tx, nid) if nid is not None else None
    return None if entry is None else rooms.name(tx, entry.room).room_id
