"""What other servers are told of the devices and keys of this server's users; also to whom this server's clients turn.

Source: server-server API, "Device Management", "End-to-End Encryption".
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.encryption import Device, Json, Usage, UserKeys
from oriz_matrix.protocol.errors import InvalidParam, NotFound
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId, domain_of, parse_user_id
from oriz_matrix.services.changes import Changes
from oriz_matrix.storage import device_keys, device_lists, interning, one_time_keys
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.one_time_keys import Taken, Wanted
from oriz_matrix.storage.transaction import Transaction

SLICE = 200
"""Users whose keys are read in one go."""
CLAIMS = 50
"""Keys that are handed out in one go."""

WantedDevices = Mapping[UserId, Collection[str]]
"""The devices that are wanted of each user; none stands for all."""


class KeyAnswers:
    """Answers for this server's users."""

    def __init__(self, db: Database, changes: Changes, clock: Clock, server_name: ServerName) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self.server_name = server_name

    async def devices(self, user_id: UserId) -> Json:
        """All devices of a user that have keys, as of the newest update that was sent of them. Raises NotFound."""
        self._require_ours([user_id])
        found = await self._db.read(_devices, user_id)
        if found is None:
            raise NotFound("userId: there is no such user")
        return found

    async def query(self, wanted: Mapping[str, Collection[str]]) -> Json:
        """Keys of devices and users, as every server may see them. Raises InvalidParam for users of others."""
        users = parse_users(wanted, "device_keys")
        self._require_ours(users)
        return shown_keys(await self.keys(users), users, {Usage.MASTER, Usage.SELF_SIGNING})

    async def claim(self, wanted: Mapping[str, Mapping[str, str]]) -> Json:
        """One-time keys. Raises InvalidParam for users of others."""
        users = parse_users(wanted, "one_time_keys")
        self._require_ours(users)
        return {"one_time_keys": await self.take(users)}

    async def keys(self, users: Collection[UserId], reader: UserId | None = None) -> dict[UserId, UserKeys]:
        """The keys of those users who have an account here, as the reader may see them."""
        found: dict[UserId, UserKeys] = {}
        for some in _slices(users, SLICE):
            found |= await self._db.read(device_keys.of_users, some, reader)
        return found

    async def take(self, wanted: Mapping[UserId, Mapping[str, str]]) -> Json:
        """Hands out one key for each device that has one, by user and device."""
        claims = [
            Wanted(user_id, DeviceId(device_id), algorithm)
            for user_id, devices in wanted.items()
            for device_id, algorithm in devices.items()
        ]
        found: Json = {}
        for some in _slices(sorted(claims), CLAIMS):
            taken: list[Taken] = await self._db.write(one_time_keys.take, some, self._clock.now_ms())
            for each in taken:
                found.setdefault(each.wanted.user_id, {})[each.wanted.device_id] = {each.key_id: each.key}
        if found:
            self._changes.poke()
        return found

    def _require_ours(self, users: Iterable[UserId]) -> None:
        for user_id in users:
            if domain_of(user_id) != self.server_name:
                raise InvalidParam(f"{user_id} is not a user of this server")


def parse_users(wanted: Mapping[str, Any], place: str) -> dict[UserId, Any]:
    """The same by checked user ids; raises InvalidParam naming the place."""
    return {parse_user_id(user_id, f"a key of {place}"): value for user_id, value in wanted.items()}


def shown_keys(found: Mapping[UserId, UserKeys], wanted: WantedDevices, usages: Collection[Usage]) -> Json:
    """Keys in the form of the answers to queries."""
    devices = {
        user_id: {
            device_id: device.shown()
            for device_id, device in keys.devices.items()
            if not wanted[user_id] or device_id in wanted[user_id]
        }
        for user_id, keys in found.items()
    }
    answer: Json = {"device_keys": devices}
    for usage in Usage:
        if usage in usages:
            answer[f"{usage.value}_keys"] = {
                user_id: keys.keys[usage] for user_id, keys in found.items() if usage in keys.keys
            }
    return answer


def _devices(tx: Transaction, user_id: UserId) -> Json | None:
    keys = device_keys.of_users(tx, [user_id]).get(user_id)
    user = interning.find_user(tx, user_id)
    if keys is None or user is None:
        return None
    told = {f"{usage.value}_key": content for usage, content in keys.keys.items()}
    return {
        "user_id": user_id,
        "stream_id": device_lists.get(tx, user).stream_id or 0,
        "devices": [_device(device_id, device) for device_id, device in keys.devices.items()],
        **told,
    }


def _device(device_id: DeviceId, device: Device) -> Json:
    name = {} if device.display_name is None else {"device_display_name": device.display_name}
    return {"device_id": device_id, "keys": device.keys, **name}


def _slices(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
