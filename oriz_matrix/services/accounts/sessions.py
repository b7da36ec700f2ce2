"""Sessions: from an access token to its requester, and the beginning and end of a session.

The one mutable fact that is held in memory: what a token stands for. Ends of sessions and changed flags drop it at once
in this process, and by a notice in all others (docs/architecture.md, "Caches"). It is held for minutes while notices
are heard, for a few seconds where they are not.
"""

import hashlib
import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from cachetools import LRUCache

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import InvalidParam, UnknownToken, UserSuspended
from oriz_matrix.protocol.identifiers import DeviceId, byte_length
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.storage import sessions
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.recent import Change
from oriz_matrix.storage.sessions import NewSession, Session
from oriz_matrix.storage.types import UserNid

HELD_MS = 5 * 60_000
HELD_UNHEARD_MS = 5_000
HEARING_S = 5.0
"""Notices are heard while recent changes were read not longer ago: they are each second."""
HELD_TOKENS = 20_000
FORGOTTEN_USERS = 10_000
SEEN_EVERY_MS = 10 * 60_000
"""How old the note of a device's last use may become before it is written again."""

MAX_DEVICE_ID_BYTES = 255
MAX_DISPLAY_NAME = 256


class DeviceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants of the device it logs in with; raises InvalidParam for what cannot be kept."""

    device_id: DeviceId | None = None
    display_name: str | None = None
    ip: str = ""

    def __post_init__(self) -> None:
        if self.device_id is not None and not 0 < byte_length(self.device_id) <= MAX_DEVICE_ID_BYTES:
            raise InvalidParam(f"device_id is empty or longer than {MAX_DEVICE_ID_BYTES} bytes")
        if self.display_name is not None and len(self.display_name) > MAX_DISPLAY_NAME:
            raise InvalidParam(f"initial_device_display_name is longer than {MAX_DISPLAY_NAME} characters")


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A session that begins: the only moment at which its token is known in the clear."""

    access_token: str
    device_id: DeviceId
    stored: NewSession


class Held(NamedTuple):
    """A requester in memory: until when (ms), until when also where no notices are heard, and how many times anything
    had been forgotten when it was read."""

    until: int
    until_unheard: int
    read_at: int
    requester: Requester


class Sessions:
    """The sessions of this server's users; those in `unlimited` are exempt from rate limits.

    silent_s: how long ago (seconds) the notices of others were last heard.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ids: Ids,
        unlimited: frozenset[str] = frozenset(),
        silent_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._unlimited = unlimited
        self._silent_s = silent_s
        self._held: LRUCache[bytes, Held] = LRUCache(HELD_TOKENS)
        self._times_forgotten = 0
        self._forgotten: dict[UserNid, int] = {}  # what was read of a user before this count is void
        self._all_forgotten = 0

    async def requester(self, access_token: str, now_ms: int, ip: str = "") -> Requester:
        """Whom a token stands for; raises UnknownToken, with `soft_logout` where it has expired.

        Locked accounts are let through with `is_locked`, because they may still log out.
        """
        token_hash = hash_token(access_token)
        held = self._held.get(token_hash)
        if held is not None and self._holds(held, now_ms):
            return held.requester
        read_at = self._times_forgotten
        session = await self._db.read(sessions.find, token_hash)
        if session is None:
            raise UnknownToken(soft_logout=False)
        if session.expires_at is not None and session.expires_at <= now_ms:
            raise UnknownToken("This access token has expired", soft_logout=True)
        until, unheard = (min(now_ms + ms, session.expires_at or now_ms + ms) for ms in (HELD_MS, HELD_UNHEARD_MS))
        requester = _requester(session, rate_limited=session.user_id not in self._unlimited)
        self._held[token_hash] = Held(until, unheard, read_at, requester)
        await self._note_use(session, now_ms, ip)
        return requester

    def opening(self, device: DeviceRequest) -> Opened:
        """A session to be stored by `storage.sessions.create`, in the transaction of what it depends on."""
        access_token = self._ids.access_token()
        device_id = device.device_id or DeviceId(self._ids.device_id())
        now_ms = self._clock.now_ms()
        stored = NewSession(device_id, device.display_name, hash_token(access_token), now_ms, device.ip or None)
        return Opened(access_token=access_token, device_id=device_id, stored=stored)

    async def open(self, user: UserNid, device: DeviceRequest) -> Opened:
        """Begins a session; an earlier one of the same device ends."""
        opened = self.opening(device)
        await self._db.write(sessions.log_in, user, opened.stored)
        self.forget(user)
        return opened

    async def end(self, requester: Requester) -> None:
        """Ends the requester's session and deletes its device."""
        await self._db.write(sessions.end, requester.user, requester.session)
        self.forget(requester.user)

    async def end_all(self, user: UserNid) -> None:
        """Ends all sessions of a user and deletes all their devices."""
        await self._db.write(sessions.end_all, user)
        self.forget(user)

    async def require_open(self, requester: Requester) -> None:
        """Raises UnknownToken when the requester's session has ended meanwhile: for those who wait long."""
        if not await self._db.read(sessions.is_open, requester.session):
            raise UnknownToken(soft_logout=False)

    def forget(self, user: UserNid) -> None:
        """Reads anew what the tokens of a user stand for; what is being read at this moment is void too."""
        self._times_forgotten += 1
        self._forgotten[user] = self._times_forgotten
        if len(self._forgotten) > FORGOTTEN_USERS:
            self._forgotten.clear()
            self._all_forgotten = self._times_forgotten

    def on_change(self, change: Change) -> None:
        """For `Changes.listen`: forgets what another process or the command line has changed."""
        kind, _, number = change.channel.partition(" ")
        if change.kind == "notice" and kind == "user":
            self.forget(UserNid(int(number)))

    def _holds(self, held: Held, now_ms: int) -> bool:
        """Whether what is in memory is still so, as far as it can be known here."""
        until = held.until if self._silent_s() <= HEARING_S else held.until_unheard
        return now_ms < until and held.read_at >= self._void_before(held.requester.user)

    def _void_before(self, user: UserNid) -> int:
        return max(self._forgotten.get(user, 0), self._all_forgotten)

    async def _note_use(self, session: Session, now_ms: int, ip: str) -> None:
        if session.device is not None and now_ms - (session.last_seen_at or 0) >= SEEN_EVERY_MS:
            await self._db.write(sessions.seen, session.device, now_ms, ip or None)


def hash_token(token: str) -> bytes:
    """What is kept of a token. It holds 256 random bits, so no salt and no slow hash are needed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def refuse_suspended(requester: Requester) -> None:
    """The gate before what a suspended account may not do (client-server API, "Account suspension")."""
    if requester.is_suspended:
        raise UserSuspended("You cannot perform this action while your account is suspended")


def _requester(session: Session, *, rate_limited: bool) -> Requester:
    return Requester(
        user=session.user,
        user_id=session.user_id,
        session=session.nid,
        device=session.device,
        device_id=session.device_id,
        is_guest=session.is_guest,
        is_admin=session.is_admin,
        is_locked=session.is_locked,
        is_suspended=session.is_suspended,
        rate_limited=rate_limited,
    )
