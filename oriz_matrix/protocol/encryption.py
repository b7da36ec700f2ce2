"""Keys of devices and users for end-to-end encryption: their shapes, who signed them, and what others are shown.

The server can read nothing that is encrypted with them. It checks that a key belongs to whom it says, and signatures
where it would publish them for others. Source: client-server API, "End-to-End Encryption"; "Cross-signing".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import InvalidParam, InvalidSignature
from oriz_matrix.protocol.identifiers import DeviceId, UserId, byte_length
from oriz_matrix.protocol.signing import ALGORITHM, VerifyKey, covered_bytes

Json = dict[str, Any]

MAX_NAME_BYTES = 255
"""How long an id of a device or of a key may be."""

SIGNED_CURVE25519 = "signed_curve25519"


class Usage(Enum):
    """What a cross-signing key is for."""

    MASTER = "master"
    SELF_SIGNING = "self_signing"
    USER_SIGNING = "user_signing"


class Device(NamedTuple):
    """What is published of a device: its identity keys, as it signed them, and its name for people."""

    keys: Json
    display_name: str | None = None

    def shown(self) -> Json:
        """As in the answers of keys/query."""
        keys = {name: value for name, value in self.keys.items() if name != "unsigned"}
        name = {} if self.display_name is None else {"device_display_name": self.display_name}
        return {**keys, "unsigned": name}


@dataclass(slots=True)
class UserKeys:
    """What is published of a user: devices by id, cross-signing keys by their usage."""

    devices: dict[DeviceId, Device] = field(default_factory=dict)
    keys: dict[Usage, Json] = field(default_factory=dict)


class Signature(NamedTuple):
    """A signature on a key: whose key, its name (a device's id, a public key), by whom and by which of their keys."""

    user_id: UserId
    key_name: str
    signer: UserId
    signer_key: str
    signature: str


class PublicKey(NamedTuple):
    """A cross-signing key: the public key in base64, and the whole object that was uploaded."""

    text: str
    content: Json

    @property
    def key_id(self) -> str:
        """The key's id in signatures."""
        return f"{ALGORITHM}:{self.text}"

    @property
    def verifier(self) -> VerifyKey:
        """The key as one that verifies."""
        return VerifyKey.from_base64(self.text)


def check_device_keys(keys: Mapping[str, Any], user_id: UserId, device_id: DeviceId) -> None:
    """Raises InvalidParam for identity keys that are not of this device."""
    if keys.get("user_id") != user_id:
        raise InvalidParam("device_keys.user_id: must be the user who uploads them")
    if keys.get("device_id") != device_id:
        raise InvalidParam("device_keys.device_id: must be the device that uploads them")
    algorithms = keys.get("algorithms")
    if not isinstance(algorithms, list) or not all(isinstance(each, str) for each in algorithms):
        raise InvalidParam("device_keys.algorithms: must be a list of strings")
    if not is_text_map(keys.get("keys")):
        raise InvalidParam("device_keys.keys: must be an object of strings")
    if not is_signatures(keys.get("signatures", {})):
        raise InvalidParam("device_keys.signatures: must be an object of objects of strings")


def split_key_id(key_id: str, place: str) -> tuple[str, str]:
    """The algorithm and the name in the id of a key; raises InvalidParam naming the place."""
    algorithm, colon, name = key_id.partition(":")
    if not colon or not algorithm or not name or byte_length(key_id) > MAX_NAME_BYTES:
        raise InvalidParam(f"{place}: an id of a key is written <algorithm>:<name>, in at most {MAX_NAME_BYTES} bytes")
    return algorithm, name


def check_one_time_key(key: object, place: str) -> None:
    """Raises InvalidParam for what is no one-time or fallback key: a text, or an object with `key`."""
    if not isinstance(key, str) and not (isinstance(key, dict) and isinstance(key.get("key"), str)):
        raise InvalidParam(f"{place}: must be a string, or an object with a string `key`")


def parse_cross_signing_key(content: Mapping[str, Any], user_id: UserId, usage: Usage, place: str) -> PublicKey:
    """A user's key for a usage; raises InvalidParam naming the place."""
    if content.get("user_id") != user_id:
        raise InvalidParam(f"{place}.user_id: must be the user whose key it is")
    usages = content.get("usage")
    if not isinstance(usages, list) or usage.value not in usages:
        raise InvalidParam(f"{place}.usage: must contain {usage.value}")
    keys = content.get("keys")
    if not isinstance(keys, dict) or len(keys) != 1:
        raise InvalidParam(f"{place}.keys: must hold exactly one key")
    [(key_id, text)] = keys.items()
    if not isinstance(text, str) or key_id != f"{ALGORITHM}:{text}":
        raise InvalidParam(f"{place}.keys: a key is written under {ALGORITHM}:<the key itself>")
    try:
        VerifyKey.from_base64(text)
    except ValueError:
        raise InvalidParam(f"{place}.keys: not an Ed25519 key in base64") from None
    if not is_signatures(content.get("signatures", {})):
        raise InvalidParam(f"{place}.signatures: must be an object of objects of strings")
    return PublicKey(text, dict(content))


def require_signature(content: Mapping[str, Any], user_id: UserId, key_id: str, key: VerifyKey, place: str) -> str:
    """The signature of the object by a user's key; raises InvalidSignature where it is missing or wrong."""
    signature = signatures_of(content, user_id).get(key_id)
    if signature is None or not key.verifies(covered_bytes(content), signature):
        raise InvalidSignature(f"{place}: not signed by {key_id}")
    return signature


def signatures_of(content: Mapping[str, Any], user_id: UserId) -> dict[str, str]:
    """The signatures of an object by one user, by the ids of keys."""
    signatures = content.get("signatures")
    by_user = signatures.get(user_id) if isinstance(signatures, dict) else None
    if not isinstance(by_user, dict):
        return {}
    return {key_id: each for key_id, each in by_user.items() if isinstance(each, str)}


def is_same_key(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two objects say the same, apart from who signed them."""
    return covered_bytes(one) == covered_bytes(other)


def with_signatures(content: Json, added: Iterable[Signature]) -> Json:
    """A copy of a key with more signatures."""
    signatures = {user: dict(by_user) for user, by_user in content.get("signatures", {}).items()}
    for each in added:
        signatures.setdefault(each.signer, {})[each.signer_key] = each.signature
    return {**content, "signatures": signatures}


def is_text_map(value: object) -> bool:
    """Whether this is an object of strings."""
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def is_signatures(value: object) -> bool:
    """Whether this has the shape of signatures: by user, by id of a key."""
    return isinstance(value, dict) and all(is_text_map(each) for each in value.values())
