"""Logging in with a password. Client-server API, "Login"."""

from collections.abc import Mapping
from typing import Any

from oriz_matrix.protocol.errors import Forbidden, MissingParam, UserDeactivated, UserLocked
from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of
from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.passwords import Passwords
from oriz_matrix.services.accounts.sessions import DeviceRequest, Sessions
from oriz_matrix.storage import accounts
from oriz_matrix.storage.accounts import Account
from oriz_matrix.storage.database import Database

PASSWORD = "m.login.password"  # noqa: S105 - the name of a login type
FLOWS = ({"type": PASSWORD},)


class Login:
    """Lets users of this server in."""

    def __init__(self, db: Database, passwords: Passwords, sessions: Sessions, server_name: ServerName) -> None:
        self._db = db
        self._passwords = passwords
        self._sessions = sessions
        self._server_name = server_name

    async def by_password(self, user: str, password: str, device: DeviceRequest) -> Credentials:
        """A session for a user, named by id or localpart; raises Forbidden, UserDeactivated, UserLocked."""
        account = await self.authenticate(user, password)
        return Credentials.of(account.user_id, await self._sessions.open(account.user, device))

    async def prove(self, credentials: Mapping[str, Any]) -> None:
        """The stage m.login.password of interactive authentication. Raises as `authenticate` does, and MissingParam."""
        identifier, password = credentials.get("identifier"), credentials.get("password")
        user = identifier.get("user") if isinstance(identifier, dict) else None
        if not isinstance(user, str):
            raise MissingParam("auth.identifier.user is missing")
        if not isinstance(password, str):
            raise MissingParam("auth.password is missing")
        await self.authenticate(user, password)

    async def authenticate(self, user: str, password: str) -> Account:
        """The account that the password belongs to. Takes as long for an unknown user."""
        user_id = UserId(user if user.startswith("@") else f"@{user}:{self._server_name}")
        is_ours = domain_of(user_id) == self._server_name
        account = await self._db.read(accounts.find, user_id) if is_ours else None
        fits = await self._passwords.verify(account.password_hash if account else None, password)
        if account is not None and account.deactivated_at is not None:
            raise UserDeactivated
        if account is None or not fits:
            raise Forbidden("The user name or the password is wrong")
        if account.is_locked:
            raise UserLocked(soft_logout=True)
        return account
