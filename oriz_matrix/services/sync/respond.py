"""The whole of GET /sync: wait, read, shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.filters import NO_FILTER, Filter
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.tokens import SyncToken
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.changes import Changes, Channel, devices_channel, room_channel, user_channel
from oriz_matrix.services.rooms.client_events import Reader
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.sync.devices import Devices
from oriz_matrix.services.sync.read import read
from oriz_matrix.services.sync.shape import Shaper
from oriz_matrix.services.sync.shared import Shared
from oriz_matrix.services.sync.window import Touched, Window
from oriz_matrix.storage import membership
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.recent import Change
from oriz_matrix.storage.types import Position, UserNid

LONGEST_POLL_S = 120.0
LONG_S = 10.0
TOGETHER_S = 1.0
TOGETHER = 1_000
"""Polls of at least LONG_S end each TOGETHER_S, and twice, three times as often for each TOGETHER that wait."""
KNOWN_USERS = 10_000
SLICE = 100
"""Rooms that are read and shaped in one go: between slices others have their turn."""


class _Stays(NamedTuple):
    """A user's memberships as of a position, and the channels on which something for them can happen."""

    at: Position
    stays: Sequence[Membership]
    channels: frozenset[Channel]


class _Answer(NamedTuple):
    """What is told; `sent` is up to where messages to the device are, where more wait."""

    body: dict[str, Any]
    sent: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What a client asks; `timeout_s` is how long it waits when there is nothing new."""

    since: SyncToken | None = None
    filter: Filter = NO_FILTER
    timeout_s: float = 0
    full_state: bool = False
    use_state_after: bool = False


class Sync:
    """Answers syncs."""

    def __init__(self, db: Database, changes: Changes, sessions: Sessions, ignored: IgnoredUsers, clock: Clock) -> None:
        self._db = db
        self._changes = changes
        self._sessions = sessions
        self._ignored = ignored
        self._clock = clock
        self._shared = Shared(db)
        self._devices = Devices(db, changes)
        self._stays: Cache[UserNid, _Stays] = Cache("memberships", KNOWN_USERS)

    async def respond(self, requester: Requester, request: SyncRequest) -> dict[str, Any]:
        """The answer: at once when there is something new, or the request is a first one; else when there is, or the
        time is over."""
        upto = await self._changes.catch_up()
        since = self._since(request)
        if since is not None and request.since is not None:
            await self._devices.acknowledge(requester, request.since, upto)
        if since is None or request.full_state:
            answer = await self._read(requester, request, since, upto)
            return await self._complete(requester, answer, since, upto)
        has_more = request.since is not None and request.since.to_device is not None
        deadline = end_of_poll(self._clock.monotonic(), request.timeout_s, self._changes.waiting)
        while True:
            channels = (await self._memberships(requester.user, upto)).channels
            if has_more or not self._changes.untouched(channels, since):
                answer = await self._read(requester, request, since, upto)
                if answer.body:
                    return await self._complete(requester, answer, since, upto)
                since = max(since, upto)  # nothing was for them: what they want to hear later does not change that
            left = deadline - self._clock.monotonic()
            if left <= 0 or self._changes.stopping:
                return await self._complete(requester, _Answer({}), since, upto)
            with self._changes.register(channels) as waiter:
                if self._changes.untouched(channels, upto) and not await waiter.wait(left):
                    return await self._complete(requester, _Answer({}), since, upto)
            if not self._changes.untouched([user_channel(requester.user)], upto):
                await self._sessions.require_open(requester)
            upto = self._changes.settled

    async def changed_devices(self, requester: Requester, since: SyncToken) -> dict[str, list[UserId]]:
        """The users whose devices changed since a sync, and those with whom no room is shared since: GET
        /keys/changes."""
        upto = await self._changes.catch_up()
        stays = (await self._memberships(requester.user, upto)).stays
        after = self._since(SyncRequest(since=since)) or Position(0)
        window = Window(reader=Reader(requester.user, requester.device), since=after, upto=upto, filter=NO_FILTER)
        return await self._devices.lists(window, stays, None)

    def _since(self, request: SyncRequest) -> Position | None:
        """Where the client stands; a token of a lost history gets a fresh sync."""
        if request.since is None:
            return None
        since = Position(request.since.position)
        return None if self._changes.is_lost(since) else since

    async def _read(
        self, requester: Requester, request: SyncRequest, since: Position | None, upto: Position
    ) -> _Answer:
        stays = (await self._memberships(requester.user, upto)).stays
        window = Window(
            reader=Reader(requester.user, requester.device),
            since=since,
            upto=upto,
            filter=request.filter,
            full_state=request.full_state,
            use_state_after=request.use_state_after,
            ignored=await self._ignored.of(requester.user, upto),
            now_ms=self._clock.now_ms(),
        )
        changes: Sequence[Change] | None = None
        if since is not None and not request.full_state:
            changes = self._changes.between(since, upto)
            window = replace(window, touched=Touched.of(changes, requester.user))
        answer = await self._rooms(requester, window, stays)
        devices = await self._devices.sections(requester, request.since, window, changes)
        if lists := await self._devices.lists(window, stays, changes):
            answer["device_lists"] = lists
        return _Answer(answer | devices.body, devices.sent)

    async def _rooms(self, requester: Requester, window: Window, stays: Sequence[Membership]) -> dict[str, Any]:
        """The rooms of an answer, and account data."""
        is_later = window.since is not None and not window.full_state
        if is_later and self._changes.untouched([user_channel(requester.user)], window.after):
            found = await self._shared.rooms(window, stays, requester.user_id)
            if found is not None:
                return {"rooms": {"join": found}} if found else {}
        answer = await self._slice(requester, window, stays[:SLICE])
        for start in range(SLICE, len(stays), SLICE):
            more = await self._slice(requester, window, stays[start : start + SLICE])
            for section, found in more.get("rooms", {}).items():
                answer.setdefault("rooms", {}).setdefault(section, {}).update(found)
        return answer

    async def _slice(self, requester: Requester, window: Window, stays: Sequence[Membership]) -> dict[str, Any]:
        """The answer for some of the rooms. All slices are as of the end of the window, so they fit together."""
        data = await self._db.read(read, window, stays)
        return await Shaper(window, requester.user_id, data).answer()

    async def _memberships(self, user: UserNid, upto: Position) -> _Stays:
        """The user's memberships as of `upto`, from memory while the recent changes show that they still hold."""
        known = self._stays.get(user)
        if known is not None and known.at <= upto and self._changes.untouched([user_channel(user)], known.at):
            return known
        stays = await self._db.read(membership.of_user, user, upto)
        rooms = (room_channel(stay.room) for stay in stays if stay.membership == "join")
        known = _Stays(upto, stays, frozenset((user_channel(user), devices_channel(user), *rooms)))
        self._stays.put(user, known)
        return known

    async def _complete(
        self, requester: Requester, answer: _Answer, since: Position | None, upto: Position
    ) -> dict[str, Any]:
        next_batch = str(SyncToken(max(upto, since or upto), answer.sent))
        return {**answer.body, "next_batch": next_batch, **await self._devices.counts(requester, upto)}


def end_of_poll(now: float, timeout_s: float, waiting: int) -> float:
    """Until when a poll waits. Long ones that hear nothing end together, a little early: those that are answered, and
    come again, in one go cost a fraction of what they cost one by one."""
    end = now + min(timeout_s, LONGEST_POLL_S)
    if timeout_s < LONG_S:
        return end
    step = TOGETHER_S / (1 + waiting // TOGETHER)
    return end // step * step
