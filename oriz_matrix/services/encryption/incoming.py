"""What other servers tell of devices, and their messages to devices here: one function for each type of EDU.

Each runs in the transaction in which the whole of what came is kept, so that what is answered for is there. What is
malformed, or about another server's users, is dropped alone. Source: server-server API, "Device Management",
"Send-to-device messaging"; traps.md 32, 33, 36.
"""

from collections.abc import Callable, Mapping
from typing import Any

from oriz_matrix.protocol.encryption import Device
from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId, byte_length, domain_of, parse_user_id
from oriz_matrix.protocol.remote_keys import (
    DeviceListUpdate,
    DirectToDevice,
    SigningKeyUpdate,
    is_device_id,
    read_device_keys,
    read_display_name,
    read_edu,
    read_signing_keys,
)
from oriz_matrix.services.encryption.resync import RESYNC
from oriz_matrix.storage import device_keys, device_lists, interning, jobs, remote_devices, to_device
from oriz_matrix.storage.device_lists import DeviceList
from oriz_matrix.storage.remote_devices import public_keys
from oriz_matrix.storage.to_device import Message
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

MAX_MESSAGE_ID_BYTES = 255
"""More than the 32 characters of the specification: what is longer is sent all the same."""

Take = Callable[[Transaction, ServerName, Mapping[str, Any], int], None]
"""Takes the content that a server sent at a moment (milliseconds). Afterwards `Changes.poke` and `Jobs.poke`."""


class IncomingDevices:
    """Takes EDUs about devices in: `takes` by their types, all before the transaction that brought them is answered."""

    def __init__(self, server_name: ServerName) -> None:
        self._server_name = server_name
        self.takes: Mapping[str, Take] = {
            "m.device_list_update": self.device_list_update,
            "m.signing_key_update": self.signing_key_update,
            "m.direct_to_device": self.direct_to_device,
        }

    def device_list_update(self, tx: Transaction, origin: ServerName, content: object, now_ms: int) -> None:
        """A device of a user was changed. What does not follow on what is known makes all that is known stale."""
        update = read_edu(content, DeviceListUpdate)
        if update is None or not is_device_id(update.device_id):
            return
        user_id = UserId(update.user_id)
        if (user := _shared_user(tx, origin, user_id)) is None:
            return
        device_lists.lock(tx, user)
        known = device_lists.get(tx, user)
        if known.known_since is not None and known.stale is None and known.stream_id == update.stream_id:
            return  # told before
        if not _follows(update, known):
            _mark_stale(tx, user, origin, now_ms)
            return
        keys = None if update.deleted else read_device_keys(update.keys, user_id, update.device_id)
        device = None if keys is None else Device(keys, read_display_name(update.device_display_name))
        remote_devices.put(tx, user, DeviceId(update.device_id), device)
        device_lists.put(tx, user, tx.position(), update.stream_id)

    def signing_key_update(self, tx: Transaction, origin: ServerName, content: object, _now_ms: int) -> None:
        """A user has new cross-signing keys."""
        update = read_edu(content, SigningKeyUpdate)
        if update is None:
            return
        user_id = UserId(update.user_id)
        if (user := _shared_user(tx, origin, user_id)) is None:
            return
        device_lists.lock(tx, user)
        if device_lists.get(tx, user).known_since is not None:
            given = {"master": update.master_key, "self_signing": update.self_signing_key}
            device_keys.put_cross_signing(tx, user, public_keys(read_signing_keys(given, user_id)))
        device_lists.put(tx, user, tx.position())

    def direct_to_device(self, tx: Transaction, origin: ServerName, content: object, now_ms: int) -> None:
        """A message to devices here, each of which gets it once, however often it is sent."""
        told = read_edu(content, DirectToDevice)
        if told is None or not told.message_id or not _is_text(told.type, told.message_id):
            return
        sender = _user_of(origin, told.sender)
        contents = {
            UserId(user_id): {device: each for device, each in devices.items() if isinstance(each, dict)}
            for user_id, devices in told.messages.items()
            if isinstance(devices, dict) and _user_of(self._server_name, user_id) is not None
        }
        if sender is None or not contents:
            return
        if not to_device.take(tx, sender, told.message_id, now_ms):
            return
        if told.type == "m.room_key_request":
            _require_known_devices(tx, origin, sender, contents, now_ms)
        to_device.deliver(tx, Message(sender, told.type, contents))


def _require_known_devices(
    tx: Transaction, origin: ServerName, sender: UserId, contents: Mapping[UserId, Mapping[str, Any]], now_ms: int
) -> None:
    """Somebody asks for keys by a device that is not known here: then an update was lost."""
    user = interning.find_user(tx, sender)
    named = [each.get("requesting_device_id") for devices in contents.values() for each in devices.values()]
    if user is None or device_lists.get(tx, user).known_since is None:
        return
    if any(is_device_id(each) and not remote_devices.has(tx, user, DeviceId(each)) for each in named):
        device_lists.lock(tx, user)
        _mark_stale(tx, user, origin, now_ms)


def _mark_stale(tx: Transaction, user: UserNid, server: ServerName, now_ms: int) -> None:
    jobs.enqueue(tx, RESYNC, server, b"", now_ms)
    device_lists.mark_stale(tx, user, server)


def _follows(update: DeviceListUpdate, known: DeviceList) -> bool:
    """Whether an update follows on all that is known of the user's devices, and on nothing else."""
    return (
        known.known_since is not None
        and known.stale is None
        and known.stream_id is not None
        and bool(update.prev_id)
        and all(before == known.stream_id for before in update.prev_id or ())
    )


def _shared_user(tx: Transaction, origin: ServerName, user_id: UserId) -> UserNid | None:
    """The number of a user of that server who is in a room with somebody here; nobody wants to hear of others."""
    if _user_of(origin, user_id) is None or (user := interning.find_user(tx, user_id)) is None:
        return None
    return user if device_lists.sharing_here(tx, [user]) else None


def _user_of(server: ServerName, user_id: str) -> UserId | None:
    """The user id, where it is one of that server."""
    try:
        parsed = parse_user_id(user_id, "user_id")
    except InvalidParam:
        return None
    return parsed if domain_of(parsed) == server else None


def _is_text(kind: str, message_id: str) -> bool:
    """Whether type and id can be kept."""
    return (
        "\0" not in kind + message_id
        and byte_length(kind) <= MAX_MESSAGE_ID_BYTES
        and byte_length(message_id) <= MAX_MESSAGE_ID_BYTES
    )
