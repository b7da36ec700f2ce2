"""Creating an account, its profile and its first session, all or nothing."""

from dataclasses import dataclass

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import UserInUse
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.profile_fields import DISPLAYNAME
from oriz_matrix.services.accounts import interactive
from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.interactive import Proof
from oriz_matrix.services.accounts.sessions import DeviceRequest, Sessions
from oriz_matrix.storage import accounts, profiles, sessions
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.sessions import NewSession
from oriz_matrix.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """An account to be made. Without `device` it gets no session; `proof` is used up with it."""

    account: NewAccount
    display_name: str | None = None
    device: DeviceRequest | None = None
    proof: Proof | None = None


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

    async def create(self, new: NewUser) -> Credentials:
        """Makes an account; raises UserInUse, and Forbidden for a proof that was used already."""
        opened = None if new.device is None else self._sessions.opening(new.device)
        stored = None if opened is None else opened.stored
        try:
            await self._db.write(store, new, stored, self._clock.now_ms())
        except Duplicate:
            raise UserInUse from None
        return Credentials.of(new.account.user_id, opened)


def store(tx: Transaction, new: NewUser, session: NewSession | None, now_ms: int) -> None:
    """Everything that an account consists of. Raises Duplicate when the name is taken."""
    if new.proof is not None:
        interactive.use_up(tx, new.proof, now_ms)
    user = accounts.create(tx, new.account, now_ms)
    if new.display_name:
        profiles.put(tx, user, DISPLAYNAME, new.display_name)
    if session is not None:
        sessions.create(tx, user, session)
