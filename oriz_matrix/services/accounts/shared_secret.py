"""Accounts for whoever knows the shared secret: bridges, bots, test suites and scripts of operators.

The protocol is that of Synapse's admin API, "Shared-Secret Registration": fetch a nonce, send it back once within a
minute together with an HMAC-SHA1, keyed with the secret, over nonce, user name, password and whether it is an admin.
"""

import hashlib
import hmac

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.types import Secret
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import BadRequest, Forbidden, InvalidParam
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, localpart_of, new_user_id
from oriz_matrix.services.accounts.creation import Creation, NewUser
from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.passwords import Passwords
from oriz_matrix.services.accounts.sessions import MAX_DISPLAY_NAME, DeviceRequest
from oriz_matrix.storage import auth_sessions
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.database import Database

PURPOSE = "shared secret"
NONCE_LIFETIME_MS = 60_000
USER_TYPES = (None, "bot", "support")


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a registration by shared secret."""

    nonce: str
    username: str
    password: str
    mac: str
    admin: bool = False
    user_type: str | None = None
    displayname: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False

    def is_signed_with(self, secret: str) -> bool:
        """Whether `mac` is the HMAC of this request, compared in constant time."""
        words = [self.nonce, self.username, self.password, "admin" if self.admin else "notadmin"]
        if self.user_type:
            words.append(self.user_type)
        mac = hmac.new(secret.encode(), "\0".join(words).encode(), hashlib.sha1).hexdigest()
        return hmac.compare_digest(mac.encode(), self.mac.encode())

    def device(self, ip: str) -> DeviceRequest | None:
        """The device of the first session, if one is wanted; raises InvalidParam."""
        if self.inhibit_login:
            return None
        device_id = None if self.device_id is None else DeviceId(self.device_id)
        return DeviceRequest(device_id=device_id, display_name=self.initial_device_display_name, ip=ip)


class Nonces:
    """Numbers that are good for one request within a minute."""

    def __init__(self, db: Database, clock: Clock, ids: Ids) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids

    async def give(self) -> str:
        """A new one."""
        nonce = self._ids.nonce()
        now_ms = self._clock.now_ms()
        await self._db.write(auth_sessions.create, nonce, PURPOSE, b"", (now_ms, now_ms + NONCE_LIFETIME_MS))
        return nonce

    async def take(self, nonce: str) -> bool:
        """Uses one up; False where it is unknown, used or too old."""
        return await self._db.write(auth_sessions.take, nonce, PURPOSE, self._clock.now_ms())


class SharedSecret:
    """The door for whoever knows the secret; shut where there is none."""

    def __init__(
        self, nonces: Nonces, creation: Creation, passwords: Passwords, secret: Secret | None, server_name: ServerName
    ) -> None:
        self._nonces = nonces
        self._creation = creation
        self._passwords = passwords
        self._secret = secret
        self._server_name = server_name

    async def nonce(self) -> str:
        """A nonce for one request; raises BadRequest where the door is shut."""
        self._reveal()
        return await self._nonces.give()

    async def register(self, signed: Signed, ip: str) -> Credentials:
        """Makes the account, also where registration is closed.

        Raises BadRequest for a nonce that is unknown, used or too old, Forbidden for a wrong HMAC, InvalidUsername,
        UserInUse, InvalidParam.
        """
        secret = self._reveal()
        if not await self._nonces.take(signed.nonce):
            raise BadRequest("nonce: unrecognised, used already, or too old")
        if not signed.is_signed_with(secret):
            raise Forbidden("mac: HMAC incorrect")
        return await self._creation.create(await self._new_user(signed, ip))

    async def _new_user(self, signed: Signed, ip: str) -> NewUser:
        if signed.user_type not in USER_TYPES:
            raise InvalidParam("user_type: neither bot nor support")
        if signed.displayname is not None and len(signed.displayname) > MAX_DISPLAY_NAME:
            raise InvalidParam(f"displayname is longer than {MAX_DISPLAY_NAME} characters")
        user_id = new_user_id(signed.username.lower(), self._server_name)
        device = signed.device(ip)
        password_hash = await self._passwords.hash(signed.password)
        return NewUser(
            account=NewAccount(user_id, password_hash, is_admin=signed.admin, user_type=signed.user_type),
            display_name=signed.displayname or localpart_of(user_id),
            device=device,
        )

    def _reveal(self) -> str:
        if self._secret is None:
            raise BadRequest("Shared secret registration is not enabled")
        return self._secret.reveal()
