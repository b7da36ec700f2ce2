"""The whole of GET /sync: wait, read, shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.filters import NO_FILTER, Filter
from oriz_matrix.protocol.tokens import SyncToken
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.changes import Changes, Channel, room_channel, user_channel
from oriz_matrix.services.rooms.client_events import Reader
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.sync.read import read
from oriz_matrix.services.sync.shape import Shaper
from oriz_matrix.services.sync.shared import Shared
from oriz_matrix.services.sync.window import Touched, Window
from oriz_matrix.storage import membership
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.types import Position, UserNid

LONGEST_POLL_S = 120.0
KNOWN_USERS = 10_000
SLICE = 100
"""Rooms that are read and shaped in one go: between slices others have their turn."""


class _Stays(NamedTuple):
    """A user's memberships as of a position, and the channels on which something for them can happen."""

    at: Position
    stays: Sequence[Membership]
    channels: frozenset[Channel]


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
        self._stays: Cache[UserNid, _Stays] = Cache("memberships", KNOWN_USERS)

    async def respond(self, requester: Requester, request: SyncRequest) -> dict[str, Any]:
        """The answer: at once when there is something new, or the request is a first one; else when there is, or the
        time is over."""
        upto = await self._changes.catch_up()
        since = self._since(request)
        if since is None or request.full_state:
            return self._complete(await self._read(requester, request, since, upto), since, upto)
        deadline = self._clock.monotonic() + min(request.timeout_s, LONGEST_POLL_S)
        while True:
            channels = (await self._memberships(requester.user, upto)).channels
            if not self._changes.untouched(channels, since):
                answer = await self._read(requester, request, since, upto)
                if answer:
                    return self._complete(answer, since, upto)
            left = deadline - self._clock.monotonic()
            if left <= 0 or self._changes.stopping:
                return self._complete({}, since, upto)
            with self._changes.register(channels) as waiter:
                if self._changes.untouched(channels, upto) and not await waiter.wait(left):
                    return self._complete({}, since, upto)
            if not self._changes.untouched([user_channel(requester.user)], upto):
                await self._sessions.require_open(requester)
            upto = self._changes.settled

    def _since(self, request: SyncRequest) -> Position | None:
        """Where the client stands; a token of a lost history gets a fresh sync."""
        if request.since is None:
            return None
        since = Position(request.since.position)
        return None if self._changes.is_lost(since) else since

    async def _read(
        self, requester: Requester, request: SyncRequest, since: Position | None, upto: Position
    ) -> dict[str, Any]:
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
        if since is not None and not request.full_state:
            window = replace(window, touched=Touched.of(self._changes.between(since, upto), requester.user))
            if self._changes.untouched([user_channel(requester.user)], since):
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
        known = _Stays(upto, stays, frozenset((user_channel(user), *rooms)))
        self._stays.put(user, known)
        return known

    def _complete(self, answer: dict[str, Any], since: Position | None, upto: Position) -> dict[str, Any]:
        answer["next_batch"] = str(SyncToken(max(upto, since or upto)))
        # Clients with encryption wait for these from their first sync on.
        answer["device_one_time_keys_count"] = {"signed_curve25519": 0}
        answer["device_unused_fallback_key_types"] = []
        return answer
