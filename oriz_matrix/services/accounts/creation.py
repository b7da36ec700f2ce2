"""Creating an account, its profile and its first session, all or nothing."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden, UnknownToken, UserInUse
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.profile_fields import DISPLAYNAME
from oriz_matrix.services.accounts import interactive
from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.interactive import Proof
from oriz_matrix.services.accounts.sessions import DeviceRequest, Sessions
from oriz_matrix.storage import accounts, auth_sessions, profiles, sessions
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.sessions import NewSession
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

MADE: Final = "registered"
"""The purpose under which an authentication session is kept that has made an account."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """An account to be made, or that of a guest who becomes a user.

    Without `device` it gets no session; `proof` is used up with it.
    """

    account: NewAccount
    display_name: str | None = None
    device: DeviceRequest | None = None
    proof: Proof | None = None
    was_guest: bool = False


class Made(msgspec.Struct, frozen=True):
    """What became of an authentication session: the account that was made, and of what request."""

    user_id: UserId
    parameters: dict[str, Any]


class Creation:
    """Makes accounts."""

    def __init__(self, db: Database, clock: Clock, sessions: Sessions) -> None:
        self._db = db
        self._clock = clock
        self._sessions = sessions

    async def require_free(self, user_id: UserId) -> None:
        """Raises UserInUse for a name that is taken, in whatever case of letters."""
        if await self._db.read(accounts.is_taken, user_id):
            raise UserInUse

    async def require_guest(self, user_id: UserId, access_token: str) -> None:
        """Raises Forbidden unless the token is that of a guest of this name."""
        try:
            requester = await self._sessions.requester(access_token, self._clock.now_ms())
        except UnknownToken:
            requester = None
        if requester is None or not requester.is_guest or requester.user_id != user_id:
            raise Forbidden("guest_access_token: not that of the guest whose name is asked for")

    async def made(self, session: str) -> Made | None:
        """What an authentication session has made a while ago: a client whose answer was lost asks once more."""
        payload = await self._db.read(auth_sessions.find, session, MADE, self._clock.now_ms())
        return None if payload is None else msgspec.json.decode(payload, type=Made)

    async def open_again(self, user_id: UserId, device: DeviceRequest | None) -> Credentials | None:
        """One more session of an account that was just made; None where it is shut again."""
        account = await self._db.read(accounts.find, user_id)
        if account is None or account.deactivated_at is not None or account.is_locked:
            return None
        return Credentials.of(user_id, None if device is None else await self._sessions.open(account.user, device))

    async def create(self, new: NewUser) -> Credentials:
        """Makes an account; raises UserInUse, and Forbidden for a proof that was used already."""
        opened = None if new.device is None else self._sessions.opening(new.device)
        stored = None if opened is None else opened.stored
        try:
            user = await self._db.write(store, new, stored, self._clock.now_ms())
        except Duplicate:
            raise UserInUse from None
        self._sessions.forget(user)
        return Credentials.of(new.account.user_id, opened)


def store(tx: Transaction, new: NewUser, session: NewSession | None, now_ms: int) -> UserNid:
    """Everything that an account consists of. Raises Duplicate when the name is taken."""
    if new.proof is not None:
        interactive.use_up(tx, new.proof, now_ms)
        if new.proof.session is not None:
            made = msgspec.json.encode(Made(new.account.user_id, new.proof.request.parameters))
            auth_sessions.create(tx, new.proof.session, MADE, made, (now_ms, now_ms + interactive.LIFETIME_MS))
    user = _account(tx, new, now_ms)
    if new.display_name:
        profiles.put(tx, user, DISPLAYNAME, new.display_name)
    if session is not None:
        sessions.create(tx, user, session)
    return user


def _account(tx: Transaction, new: NewUser, now_ms: int) -> UserNid:
    if not new.was_guest:
        return accounts.create(tx, new.account, now_ms)
    user = accounts.upgrade(tx, new.account.user_id, new.account.password_hash)
    if user is None:
        raise Duplicate(f"the account {new.account.user_id} is no guest's")
    return user
