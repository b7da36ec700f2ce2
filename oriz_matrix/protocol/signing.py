"""Signatures over JSON objects and events.

Ed25519 through PyNaCl; byte for byte what the signedjson package makes, without its copies and its slower encoder.
Source: appendices, "Signing JSON"; server-server API, "Signing Events".
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Self

import nacl.exceptions
import nacl.signing
from unpaddedbase64 import decode_base64, encode_base64

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.hashing import signed_bytes
from oriz_matrix.protocol.identifiers import ServerName, domain_of
from oriz_matrix.protocol.room_versions import EventIdFormat, RoomVersion

ALGORITHM = "ed25519"
_AUTHORIZER = "join_authorised_via_users_server"
_KEY_NAME = re.compile(r"[a-zA-Z0-9_]+", re.ASCII)


class VerifyKey:
    """The public half of a signing key."""

    def __init__(self, public_key: bytes) -> None:
        """`public_key`: 32 bytes, else ValueError."""
        self._key = nacl.signing.VerifyKey(public_key)

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """From base64 in either alphabet, padded or not; raises ValueError."""
        return cls(decode_base64(text))

    def to_base64(self) -> str:
        """Unpadded standard base64, as in `verify_keys`."""
        return encode_base64(bytes(self._key))

    def __bytes__(self) -> bytes:
        """The 32 bytes."""
        return bytes(self._key)

    def verifies(self, message: bytes, signature: object) -> bool:
        """Whether the base64 text is this key's signature of the message."""
        if not isinstance(signature, str):
            return False
        try:
            self._key.verify(message, decode_base64(signature))
        except (nacl.exceptions.CryptoError, ValueError):
            return False
        return True


KeyLookup = Callable[[ServerName, str], VerifyKey | None]
"""(server, key id such as "ed25519:a_abc") -> the key; None when it is not known, or was not valid at the time in
question. Signatures by such keys are passed over (traps.md 10)."""


class SigningKey:
    """A server's secret key with its id, "ed25519:" and a name."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`name`: letters, digits and underscores; `seed`: 32 secret random bytes; else ValueError."""
        if not _KEY_NAME.fullmatch(name):
            raise ValueError(f"a key's name consists of letters, digits and underscores, not {name!r}")
        self.key_id = f"{ALGORITHM}:{name}"
        self._name = name
        self._key = nacl.signing.SigningKey(seed)
        self.verify_key = VerifyKey(bytes(self._key.verify_key))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From the one line of a key file in signedjson's form: `ed25519 <name> <base64 of the seed>`."""
        parts = text.split()
        if len(parts) != 3 or parts[0] != ALGORITHM:
            raise ValueError("a signing key is written: ed25519 <name> <base64>")
        return cls(parts[1], decode_base64(parts[2]))

    def to_text(self) -> str:
        """The line for a key file."""
        return f"{ALGORITHM} {self._name} {encode_base64(bytes(self._key))}\n"

    def sign(self, message: bytes) -> str:
        """The signature in unpadded base64."""
        return encode_base64(self._key.sign(message).signature)

    def __repr__(self) -> str:
        return f"<SigningKey {self.key_id}>"


def sign_json(obj: Mapping[str, Any], server_name: str, key: SigningKey) -> dict[str, Any]:
    """A copy of the object with our signature beside those it has; `unsigned` is kept and not covered."""
    return _with_signature(obj, server_name, key, covered_bytes(obj))


def sign_event(pdu: Mapping[str, Any], version: RoomVersion, server_name: str, key: SigningKey) -> dict[str, Any]:
    """A copy of the PDU, which holds its content hash already, with our signature beside those it has."""
    return _with_signature(pdu, server_name, key, signed_bytes(pdu, version))


def covered_bytes(obj: Mapping[str, Any]) -> bytes:
    """What the signatures of a JSON object cover: its canonical JSON without `signatures` and `unsigned`."""
    return encode({name: value for name, value in obj.items() if name not in ("signatures", "unsigned")})


def verify_json(obj: Mapping[str, Any], server_name: str, lookup: KeyLookup) -> bool:
    """Whether the server signed the object: at least one signature by a known key, and none by a known key is wrong."""
    return _is_signed_by(ServerName(server_name), obj.get("signatures"), covered_bytes(obj), lookup)


def verify_event_signatures(event: Event, lookup: KeyLookup) -> None:
    """Raises `Forbidden` unless all servers that must have signed the event did; such an event is to be dropped."""
    message = signed_bytes(event.pdu, event.version)
    for server in sorted(required_signers(event)):
        if not _is_signed_by(server, event.pdu["signatures"], message, lookup):
            raise Forbidden(f"The event is not validly signed by {server}")


def required_signers(event: Event) -> frozenset[ServerName]:
    """The servers whose signatures the event needs.

    The sender's server, but for invites by a third-party identifier, which another server may send. In versions 1 and
    2 also the server in the event id. From version 8 on also the server of the user that authorized a restricted join;
    a malformed value gives a server name that nobody has.
    """
    signers = set()
    if not _is_third_party_invite(event):
        signers.add(domain_of(event.sender))
    if event.version.event_id_format is EventIdFormat.CHOSEN:
        signers.add(domain_of(event.event_id))
    if event.version.restricted and event.type == "m.room.member" and _AUTHORIZER in event.content:
        authorizer = event.content[_AUTHORIZER]
        signers.add(domain_of(authorizer) if isinstance(authorizer, str) else ServerName(""))
    return frozenset(signers)


def _is_third_party_invite(event: Event) -> bool:
    return (
        event.type == "m.room.member"
        and event.content.get("membership") == "invite"
        and "third_party_invite" in event.content
    )


def _with_signature(obj: Mapping[str, Any], server_name: str, key: SigningKey, message: bytes) -> dict[str, Any]:
    signatures = obj.get("signatures", {})
    present = signatures.get(server_name)
    ours = {**(present if isinstance(present, dict) else {}), key.key_id: key.sign(message)}
    return {**obj, "signatures": {**signatures, server_name: ours}}


def _is_signed_by(server: ServerName, signatures: object, message: bytes, lookup: KeyLookup) -> bool:
    """Passes over unknown algorithms and keys. A single wrong signature by a known key is one too many."""
    by_server = signatures.get(server) if isinstance(signatures, dict) else None
    if not isinstance(by_server, dict):
        return False
    known = [
        (key, signature)
        for key_id, signature in by_server.items()
        if key_id.startswith(f"{ALGORITHM}:") and (key := lookup(server, key_id)) is not None
    ]
    return bool(known) and all(key.verifies(message, signature) for key, signature in known)
