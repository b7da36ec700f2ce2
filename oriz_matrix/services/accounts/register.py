"""Registration by users and guests themselves. Client-server API, "Account registration", "Guest access"."""

from typing import NamedTuple

import msgspec

from oriz_matrix.base.config import accounts as config
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import Forbidden, MissingParam, UserInUse
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId, localpart_of, new_user_id
from oriz_matrix.services.accounts.creation import Creation, NewUser
from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.interactive import DUMMY, AuthData, Interactive, Proof, Request
from oriz_matrix.services.accounts.passwords import Passwords
from oriz_matrix.services.accounts.sessions import DeviceRequest
from oriz_matrix.storage.accounts import NewAccount

PURPOSE = "register"
FLOWS = ((DUMMY,),)
ATTEMPTS = 10
"""How often another random name is tried."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account that somebody wants, without its password."""

    username: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False

    def device(self, ip: str) -> DeviceRequest:
        """The device of the first session; raises InvalidParam."""
        device_id = None if self.device_id is None else DeviceId(self.device_id)
        return DeviceRequest(device_id=device_id, display_name=self.initial_device_display_name, ip=ip)


class Secrets(NamedTuple):
    """What proves something: the password to be set, and the token of the guest who becomes a user."""

    password: str | None = None
    guest_access_token: str | None = None


class Register:
    """Registers users and guests where the configuration lets them."""

    def __init__(
        self,
        creation: Creation,
        passwords: Passwords,
        interactive: Interactive,
        ids: Ids,
        settings: config.Registration,
        server_name: ServerName,
    ) -> None:
        self._creation = creation
        self._passwords = passwords
        self._interactive = interactive
        self._ids = ids
        self._settings = settings
        self._server_name = server_name

    async def user(self, wish: Wish, secrets: Secrets, auth: AuthData | None, ip: str) -> Credentials:
        """Registers a user after user-interactive authentication, or makes a guest a user. A request that is repeated
        with its session, because its answer was lost, makes nobody else, and logs in.

        What is wrong with the wish is told before that. Raises Forbidden, InvalidUsername, UserInUse, WeakPassword,
        AuthenticationRequired.
        """
        if (again := await self._again(wish, auth, ip)) is not None:
            return again
        password = secrets.password
        if not (self._settings.enabled and self._settings.without_verification):
            raise Forbidden("This server lets nobody register")
        await self._check(wish, secrets, ip)
        proof = await self._interactive.prove(PURPOSE, FLOWS, await self._request(wish, secrets, auth), auth)
        sealed: str | None = proof.request.sealed.get("password_hash")
        password_hash = sealed if password is None else await self._passwords.hash(password)
        if password_hash is None:
            raise MissingParam("password is missing")
        proven = msgspec.convert(proof.request.parameters, Wish)
        return await self._create(proven, password_hash, proof, ip)

    async def guest(self, display_name: str | None, ip: str) -> Credentials:
        """Registers a guest, who gets a name and a device and no password. Raises Forbidden."""
        if not self._settings.guests:
            raise Forbidden("This server has no guests")
        device = DeviceRequest(display_name=display_name, ip=ip)
        for _ in range(ATTEMPTS):
            user_id = self._user_id(self._ids.localpart())
            account = NewAccount(user_id, is_guest=True)
            new = NewUser(account=account, display_name=localpart_of(user_id), device=device)
            try:
                return await self._creation.create(new)
            except UserInUse:
                continue
        raise UserInUse

    async def _again(self, wish: Wish, auth: AuthData | None, ip: str) -> Credentials | None:
        """The answer to a request that was carried out already."""
        session = (auth or {}).get("session")
        made = await self._creation.made(session) if isinstance(session, str) else None
        if made is None:
            return None
        before = msgspec.convert(made.parameters, Wish)
        if wish not in (Wish(), before):
            return None
        return await self._creation.open_again(made.user_id, None if before.inhibit_login else before.device(ip))

    async def _check(self, wish: Wish, secrets: Secrets, ip: str) -> None:
        if secrets.guest_access_token is not None:
            if wish.username is None:
                raise MissingParam("guest_access_token: username is missing, that of the guest")
            await self._creation.require_guest(self._user_id(wish.username), secrets.guest_access_token)
        elif wish.username is not None:
            await self._creation.require_free(self._user_id(wish.username))
        if secrets.password is not None:
            self._passwords.check(secrets.password)
        wish.device(ip)

    async def _request(self, wish: Wish, secrets: Secrets, auth: AuthData | None) -> Request:
        """What the session remembers: the password's hash too where the client may not send the password again."""
        password = secrets.password
        sealed = {"password_hash": await self._passwords.hash(password)} if password and not auth else {}
        guest = {"was_guest": True} if secrets.guest_access_token is not None else {}
        return Request({**msgspec.to_builtins(wish), **guest}, sealed)

    async def _create(self, wish: Wish, password_hash: str, proof: Proof, ip: str) -> Credentials:
        device = None if wish.inhibit_login else wish.device(ip)
        for _ in range(ATTEMPTS):
            user_id = self._user_id(self._ids.localpart() if wish.username is None else wish.username)
            new = NewUser(
                account=NewAccount(user_id, password_hash),
                display_name=localpart_of(user_id),
                device=device,
                proof=proof,
                was_guest=bool(proof.request.parameters.get("was_guest")),
            )
            try:
                return await self._creation.create(new)
            except UserInUse:
                if wish.username is not None:
                    raise
        raise UserInUse

    def _user_id(self, username: str) -> UserId:
        """Capitals are turned into small letters: the specification lets servers map a name in a logical manner."""
        return new_user_id(username.lower(), self._server_name)
