"""What other servers say of their users' devices and keys, read leniently: what is malformed is left out alone.

No signature is checked: clients do that, who trust no server. What one server says of another's users is left out.
Source: server-server API, "Device Management", "End-to-End Encryption".
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, TypeGuard, TypeVar

import msgspec

from oriz_matrix.protocol.encryption import (
    MAX_NAME_BYTES,
    Device,
    Json,
    Usage,
    UserKeys,
    is_signatures,
    parse_cross_signing_key,
)
from oriz_matrix.protocol.errors import BadJson, InvalidParam
from oriz_matrix.protocol.identifiers import DeviceId, UserId, byte_length

MAX_DISPLAY_NAME = 1_000
LARGEST_KEYS = 65_536
"""How many bytes the keys of one device may have."""

T = TypeVar("T")
StreamId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class DeviceListUpdate(msgspec.Struct, kw_only=True):
    """The content of m.device_list_update."""

    user_id: str
    device_id: str
    stream_id: StreamId
    prev_id: list[StreamId] | None = None
    device_display_name: Any = None
    deleted: bool = False
    keys: Any = None


class SigningKeyUpdate(msgspec.Struct, kw_only=True):
    """The content of m.signing_key_update."""

    user_id: str
    master_key: dict[str, Any] | None = None
    self_signing_key: dict[str, Any] | None = None


class DirectToDevice(msgspec.Struct, kw_only=True):
    """The content of m.direct_to_device."""

    sender: str
    type: str
    message_id: str
    messages: dict[str, Any]


class _UserDevices(msgspec.Struct, kw_only=True):
    """The answer of GET /user/devices/{userId}."""

    stream_id: StreamId | None = None
    devices: list[Any]
    master_key: Any = None
    self_signing_key: Any = None


class _KeysAnswer(msgspec.Struct, kw_only=True):
    """The answer of POST /user/keys/query."""

    device_keys: dict[str, Any]
    master_keys: dict[str, Any] = {}
    self_signing_keys: dict[str, Any] = {}


def read_edu(content: object, kind: type[T]) -> T | None:
    """The content of a message as one of the types above; None where it has another shape."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError:
        return None


def read_user_devices(content: Mapping[str, Any], user_id: UserId) -> tuple[UserKeys, int | None]:
    """A user's keys and the number of the newest update in them; raises BadJson for what is no such answer."""
    answer = _convert(content, _UserDevices)
    found = UserKeys()
    for each in answer.devices:
        device_id = each.get("device_id") if isinstance(each, dict) else None
        if not is_device_id(device_id):
            continue
        keys = read_device_keys(each.get("keys"), user_id, device_id)
        if keys is not None:
            found.devices[DeviceId(device_id)] = Device(keys, read_display_name(each.get("device_display_name")))
    found.keys = read_signing_keys({"master": answer.master_key, "self_signing": answer.self_signing_key}, user_id)
    return found, answer.stream_id


def read_keys_answer(content: Mapping[str, Any], users: Collection[UserId]) -> dict[UserId, UserKeys]:
    """The keys of those of the users of whom something is said; raises BadJson for what is no such answer."""
    answer = _convert(content, _KeysAnswer)
    found: dict[UserId, UserKeys] = {}
    for user_id in users:
        devices = answer.device_keys.get(user_id)
        given = {"master": answer.master_keys.get(user_id), "self_signing": answer.self_signing_keys.get(user_id)}
        keys = UserKeys(keys=read_signing_keys(given, user_id))
        for device_id, device in devices.items() if isinstance(devices, dict) else ():
            shown = read_device_keys(device, user_id, device_id)
            if shown is not None and is_device_id(device_id):
                unsigned = shown.pop("unsigned", None)
                name = unsigned.get("device_display_name") if isinstance(unsigned, dict) else None
                keys.devices[DeviceId(device_id)] = Device(shown, read_display_name(name))
        if isinstance(devices, dict) or keys.keys:
            found[user_id] = keys
    return found


def read_claimed(content: Mapping[str, Any], wanted: Mapping[UserId, Mapping[DeviceId, str]]) -> Json:
    """From the answer of POST /user/keys/claim what was asked for: one key of each device. Raises BadJson."""
    given = content.get("one_time_keys")
    if not isinstance(given, dict):
        raise BadJson("one_time_keys: must be an object")
    found: Json = {}
    for user_id, devices in wanted.items():
        by_device = given.get(user_id)
        for device_id, algorithm in devices.items():
            keys = by_device.get(device_id) if isinstance(by_device, dict) else None
            for key_id, key in keys.items() if isinstance(keys, dict) else ():
                if key_id.startswith(f"{algorithm}:") and isinstance(key, dict | str):
                    found.setdefault(user_id, {})[device_id] = {key_id: key}
                    break
    return found


def read_device_keys(keys: object, user_id: UserId, device_id: str) -> Json | None:
    """The identity keys of a device; None for what belongs to another, is too large, or is no object."""
    if not isinstance(keys, dict) or keys.get("user_id", user_id) != user_id:
        return None
    if keys.get("device_id", device_id) != device_id or len(msgspec.json.encode(keys)) > LARGEST_KEYS:
        return None
    return {**keys, "signatures": keys["signatures"] if is_signatures(keys.get("signatures")) else {}}


def read_signing_keys(given: Mapping[str, object], user_id: UserId) -> dict[Usage, Json]:
    """Those of a user's cross-signing keys, by the names of usages, that are well-formed."""
    found = {}
    for name, content in given.items():
        try:
            usage = Usage(name)
            if isinstance(content, dict) and len(msgspec.json.encode(content)) <= LARGEST_KEYS:
                found[usage] = parse_cross_signing_key(content, user_id, usage, name).content
        except InvalidParam:
            continue
    return found


def read_display_name(name: object) -> str | None:
    """The name of a device, where it is one that can be kept."""
    return name[:MAX_DISPLAY_NAME] if isinstance(name, str) and "\0" not in name else None


def is_device_id(device_id: object) -> TypeGuard[str]:
    """Whether this can be the id of a device."""
    return isinstance(device_id, str) and "\0" not in device_id and 0 < byte_length(device_id) <= MAX_NAME_BYTES


def _convert(content: Mapping[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise BadJson(f"Answer: {error}") from None
