"""Cross-signing: the keys that a user vouches with for their devices and for others, and what these have signed.

Source: client-server API, "Cross-signing".
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.encryption import (
    Json,
    PublicKey,
    Signature,
    Usage,
    is_same_key,
    parse_cross_signing_key,
    require_signature,
    signatures_of,
)
from oriz_matrix.protocol.errors import (
    BadJson,
    Forbidden,
    InvalidParam,
    InvalidSignature,
    MatrixError,
    MissingParam,
    NotFound,
)
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId, localpart_of, parse_user_id
from oriz_matrix.protocol.signing import ALGORITHM, VerifyKey
from oriz_matrix.services.accounts import interactive
from oriz_matrix.services.accounts.interactive import AuthData, Interactive, Proof, Request
from oriz_matrix.services.accounts.login import PASSWORD
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.storage import device_keys, device_lists, device_updates, interning
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction

FLOWS = ((PASSWORD,),)

Signed = Mapping[UserId, Mapping[str, Mapping[str, Any]]]
"""Keys with new signatures on them, by user and by name: a device's id, or a public key."""


class CrossSigning:
    """Takes cross-signing keys and signatures of this server's users."""

    def __init__(
        self, db: Database, changes: Changes, outgoing: Outgoing, interactive: Interactive, clock: Clock
    ) -> None:
        self._db = db
        self._changes = changes
        self._outgoing = outgoing
        self._interactive = interactive
        self._clock = clock

    async def upload(self, requester: Requester, given: Mapping[str, Any], auth: AuthData | None) -> None:
        """Publishes keys, by the names of usages with `_key`. Who replaces some proves who they are.

        Raises InvalidParam, MissingParam where there is no master key, InvalidSignature, Forbidden for the name of a
        device, AuthenticationRequired.
        """
        keys = _parse(given, requester.user_id)
        known = await self._db.read(_known, requester)
        proof = None
        goes_on = auth is not None and not given  # with the keys that the session of authentication was begun for
        if Usage.MASTER in known.keys and (goes_on or not _holds_nothing_new(keys, known)):
            _check(keys, known, requester.user_id)
            proof = await self._prove(requester, given, auth)
            keys = _parse(proof.request.parameters, requester.user_id)
        _check(keys, known, requester.user_id)
        servers = await self._db.write(_put, requester, keys, proof, self._clock.now_ms())
        self._changes.poke()
        self._outgoing.servers(servers)

    async def sign(self, requester: Requester, given: Mapping[str, Any]) -> Json:
        """Adds signatures to keys of the requester, and by their user-signing key to others' master keys; the errors
        of those that were not added, by user and name of the key. Raises BadJson, InvalidParam for no user's id."""
        failures, servers = await self._db.write(_sign, requester, _read_signed(given))
        self._changes.poke()
        self._outgoing.servers(servers)
        return failures

    async def _prove(self, requester: Requester, given: Mapping[str, Any], auth: AuthData | None) -> Proof:
        """The requester's own password, whoever else's might be known to them."""
        if auth is not None and auth.get("type") == PASSWORD:
            identifier = auth.get("identifier")
            named = identifier.get("user") if isinstance(identifier, dict) else auth.get("user")
            if named not in (None, requester.user_id, localpart_of(requester.user_id)):
                raise Forbidden("auth.identifier: this is not the user whose keys they are")
            auth = {**auth, "identifier": {"type": "m.id.user", "user": requester.user_id}}
        purpose = f"device signing {requester.user_id}"
        return await self._interactive.prove(purpose, FLOWS, Request(dict(given)), auth)


class _Known(NamedTuple):
    """What a user has already."""

    keys: Mapping[Usage, PublicKey]
    devices: frozenset[DeviceId]


def _known(tx: Transaction, requester: Requester) -> _Known:
    keys = device_keys.cross_signing(tx, [requester.user]).get(requester.user, {})
    return _Known(keys, frozenset(device_keys.ids(tx, requester.user)))


def _parse(given: Mapping[str, Any], user_id: UserId) -> dict[Usage, PublicKey]:
    named = {usage: f"{usage.value}_key" for usage in Usage}
    return {
        usage: parse_cross_signing_key(given[name], user_id, usage, name)
        for usage, name in named.items()
        if name in given
    }


def _check(keys: Mapping[Usage, PublicKey], known: _Known, user_id: UserId) -> None:
    master = keys.get(Usage.MASTER) or known.keys.get(Usage.MASTER)
    if not keys:
        return
    if master is None:
        raise MissingParam("master_key: there is none to sign the others")
    for usage, key in keys.items():
        if key.text in known.devices:
            raise Forbidden(f"{usage.value}_key: a device has this name")
        if usage is not Usage.MASTER:
            require_signature(key.content, user_id, master.key_id, master.verifier, f"{usage.value}_key")


def _holds_nothing_new(keys: Mapping[Usage, PublicKey], known: _Known) -> bool:
    return all(usage in known.keys and known.keys[usage].text == key.text for usage, key in keys.items())


def _put(
    tx: Transaction, requester: Requester, keys: Mapping[Usage, PublicKey], proof: Proof | None, now_ms: int
) -> list[ServerName]:
    """Stores what is new; the servers that are told."""
    device_lists.lock(tx, requester.user)
    known = _known(tx, requester)
    if proof is not None:
        interactive.use_up(tx, proof, now_ms)
    elif Usage.MASTER in known.keys and not _holds_nothing_new(keys, known):
        raise Forbidden("Other keys were uploaded at the same moment")
    new = {usage: key for usage, key in keys.items() if usage not in known.keys or known.keys[usage].text != key.text}
    _check(new, known, requester.user_id)
    if not new:
        return []
    device_keys.put_cross_signing(tx, requester.user, new)
    return device_updates.announce_signing_keys(tx, requester.user, new)


def _read_signed(given: Mapping[str, Any]) -> Signed:
    """By checked user ids; raises BadJson, InvalidParam."""
    try:
        signed = msgspec.convert(given, dict[str, dict[str, dict[str, Any]]])
    except msgspec.ValidationError as error:
        raise BadJson(f"Body: {error}") from None
    return {parse_user_id(user_id, "a key of the body"): by_name for user_id, by_name in signed.items()}


def _sign(tx: Transaction, requester: Requester, signed: Signed) -> tuple[Json, list[ServerName]]:
    """What failed, and the servers that are told of the rest."""
    device_lists.lock(tx, requester.user)
    keyring = _Keyring(tx, requester)
    failures: Json = {}
    for user_id, by_name in signed.items():
        for name, content in by_name.items():
            try:
                keyring.add(user_id, name, content)
            except MatrixError as error:
                failures.setdefault(user_id, {})[name] = error.body()
    device_keys.add_signatures(tx, keyring.added)
    own = [each for each in keyring.added if each.user_id == requester.user_id]
    devices = list(dict.fromkeys(DeviceId(each.key_name) for each in own if each.key_name in keyring.own.devices))
    servers: list[ServerName] = []
    if devices:
        servers += device_updates.announce(tx, requester.user, devices)
    if any(each.key_name not in keyring.own.devices for each in own):
        servers += device_updates.announce_signing_keys(tx, requester.user, [Usage.MASTER])
    return failures, servers


class _Keyring:
    """A user's keys, and the signatures by them that were found good."""

    def __init__(self, tx: Transaction, requester: Requester) -> None:
        self._tx = tx
        self._user_id = requester.user_id
        self.own = device_keys.of_users(tx, [requester.user_id], requester.user_id)[requester.user_id]
        self._keys = device_keys.cross_signing(tx, [requester.user]).get(requester.user, {})
        self.added: list[Signature] = []

    def add(self, user_id: UserId, name: str, content: Mapping[str, Any]) -> None:
        """Raises what is wrong with a signed key: NotFound, InvalidParam, InvalidSignature."""
        if user_id == self._user_id and DeviceId(name) in self.own.devices:
            key = self._keys.get(Usage.SELF_SIGNING)
            self._add(user_id, name, content, self.own.devices[DeviceId(name)].keys, _signers(key))
        elif user_id == self._user_id:
            master = self._keys.get(Usage.MASTER)
            if master is None or master.text != name:
                raise NotFound("There is no such key")
            self._add(user_id, name, content, master.content, self._devices())
        else:
            theirs = _master_key_of(self._tx, user_id)
            if theirs is None or theirs.text != name:
                raise NotFound("There is no such master key")
            self._add(user_id, name, content, theirs.content, _signers(self._keys.get(Usage.USER_SIGNING)))

    def _add(
        self, user_id: UserId, name: str, content: Mapping[str, Any], stored: Json, signers: Mapping[str, VerifyKey]
    ) -> None:
        """Takes the signatures by those of the signers who have signed, of whom there must be one."""
        if not is_same_key(content, stored):
            raise InvalidParam("This is not the key that was uploaded")
        by_us = signatures_of(content, self._user_id)
        known = [key_id for key_id in by_us if key_id in signers]
        if not known:
            raise InvalidSignature("Not signed by a key that may sign this one")
        for key_id in known:
            signature = require_signature(content, self._user_id, key_id, signers[key_id], "signatures")
            self.added.append(Signature(user_id, name, self._user_id, key_id, signature))

    def _devices(self) -> dict[str, VerifyKey]:
        """The keys that the user's devices sign with."""
        found = {}
        for device_id, device in self.own.devices.items():
            key_id = f"{ALGORITHM}:{device_id}"
            try:
                found[key_id] = VerifyKey.from_base64(device.keys["keys"][key_id])
            except (KeyError, TypeError, ValueError):
                continue
        return found


def _signers(key: PublicKey | None) -> dict[str, VerifyKey]:
    return {} if key is None else {key.key_id: key.verifier}


def _master_key_of(tx: Transaction, user_id: UserId) -> PublicKey | None:
    """The master key of another user, of here or elsewhere, as far as it is known here."""
    user = interning.find_user(tx, user_id)
    return None if user is None else device_keys.cross_signing(tx, [user]).get(user, {}).get(Usage.MASTER)
