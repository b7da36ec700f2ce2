"""The devices of users elsewhere as far as they are known here, and whether what is known may still be true.

It may while somebody here has shared a room with the user all the time since, for then every change was told to us.
Source: server-server API, "Device Management"; traps.md 32.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from oriz_matrix.protocol.encryption import Device, PublicKey, Usage, UserKeys
from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.storage import device_keys, device_lists, interning
from oriz_matrix.storage.device_lists import DeviceList
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, Position, RoomNid, UserNid


@dataclass(slots=True, kw_only=True)
class Known:
    """A user elsewhere. is_shared: they are in a room with somebody here, so that changes are told to us; is_current:
    what is known of the devices holds."""

    seen: DeviceList = field(default_factory=DeviceList)
    keys: UserKeys | None = None
    is_shared: bool = False
    is_current: bool = False


def known(tx: Transaction, users: Collection[UserId]) -> dict[UserId, Known]:
    """What is known of each of the users, who are not of this server."""
    numbers = {nid: user_id for user_id in users if (nid := interning.find_user(tx, user_id)) is not None}
    found = {user_id: Known() for user_id in users}
    if not numbers:
        return found
    for nid in device_lists.sharing_here(tx, numbers):
        found[numbers[nid]].is_shared = True
    sql = """
        SELECT user_nid, position, stream_id, known_since, stale FROM device_lists WHERE user_nid = ANY(:users)
    """
    for nid, *row in tx.rows(sql, users=list(numbers)):
        found[numbers[nid]].seen = DeviceList(*row)
    since = {nid: at for nid, user_id in numbers.items() if (at := found[user_id].seen.known_since) is not None}
    told = _told_since(tx, since)
    for nid, keys in _keys(tx, since).items():
        one = found[numbers[nid]]
        one.keys = keys
        one.is_current = nid in told and one.seen.stale is None
    return found


def learn(tx: Transaction, user_id: UserId, seen: DeviceList, keys: UserKeys, stream_id: int | None) -> bool:
    """Stores what a user's server has said of their devices, unless something else was heard meanwhile; see
    `device_lists.learn`."""
    user = interning.find_user(tx, user_id)
    if user is None or not device_lists.learn(tx, user, seen, stream_id):
        return False
    tx.run("DELETE FROM remote_devices WHERE user_nid = :user", user=user)
    _insert(tx, user, keys.devices)
    tx.run("DELETE FROM cross_signing_keys WHERE user_nid = :user", user=user)
    device_keys.put_cross_signing(tx, user, public_keys(keys.keys))
    return True


def put(tx: Transaction, user: UserNid, device_id: DeviceId, device: Device | None) -> None:
    """Stores one device in place of what was known of it; None: it was deleted."""
    sql = "DELETE FROM remote_devices WHERE user_nid = :user AND device_id = :device_id"
    tx.run(sql, user=user, device_id=device_id)
    if device is not None:
        _insert(tx, user, {device_id: device})


def has(tx: Transaction, user: UserNid, device_id: DeviceId) -> bool:
    """Whether a device is known."""
    sql = "SELECT 1 FROM remote_devices WHERE user_nid = :user AND device_id = :device_id"
    return tx.value(sql, user=user, device_id=device_id) is not None


def public_keys(keys: Mapping[Usage, Mapping[str, Any]]) -> dict[Usage, PublicKey]:
    """Cross-signing keys, which hold one key each, with that."""
    return {usage: PublicKey(next(iter(content["keys"].values())), dict(content)) for usage, content in keys.items()}


def _insert(tx: Transaction, user: UserNid, devices: Mapping[DeviceId, Device]) -> None:
    sql = """
        INSERT INTO remote_devices (user_nid, device_id, body, display_name)
        VALUES (:user, :device_id, :body, :display_name)
    """
    rows = [
        {
            "user": user,
            "device_id": device_id,
            "body": msgspec.json.encode(device.keys),
            "display_name": device.display_name,
        }
        for device_id, device in devices.items()
    ]
    tx.many(sql, rows)


def _told_since(tx: Transaction, since: Mapping[UserNid, Position]) -> set[UserNid]:
    """Those of the users with whom a room was shared all the time since these positions.

    One room that they never left, and somebody of here neither; small rooms are looked at first.
    """
    if not since:
        return set()
    sql = """
        SELECT user_nid, room, stay_since FROM memberships
        WHERE user_nid = ANY(:users) AND until = :forever AND membership = 'join'
    """
    stays: dict[UserNid, list[RoomNid]] = {}
    for user, room, stay_since in tx.rows(sql, users=list(since), forever=FOREVER):
        if stay_since <= since[user]:
            stays.setdefault(user, []).append(room)
    sizes = device_lists.with_us(tx, {room for rooms in stays.values() for room in rooms})
    here_since: dict[RoomNid, Position] = {}
    found = set()
    for user, rooms in stays.items():
        for room in sorted(sizes.keys() & set(rooms), key=sizes.__getitem__):
            if room not in here_since:
                here_since[room] = _here_since(tx, room)
            if here_since[room] <= since[user]:
                found.add(user)
                break
    return found


def _here_since(tx: Transaction, room: RoomNid) -> Position:
    """Since when somebody of here is in a room without a break."""
    sql = """
        SELECT min(m.stay_since) FROM memberships m
        WHERE m.room = :room AND m.until = :forever AND m.membership = 'join'
            AND (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NOT NULL
    """
    return Position(tx.value(sql, room=room, forever=FOREVER) or FOREVER)


def _keys(tx: Transaction, users: Collection[UserNid]) -> dict[UserNid, UserKeys]:
    found = {user: UserKeys() for user in users}
    if not found:
        return found
    sql = "SELECT user_nid, device_id, body, display_name FROM remote_devices WHERE user_nid = ANY(:users)"
    for user, device_id, body, display_name in tx.rows(sql, users=list(users)):
        found[user].devices[DeviceId(device_id)] = Device(msgspec.json.decode(body), display_name)
    for user, by_usage in device_keys.cross_signing(tx, list(users)).items():
        found[user].keys = {usage: key.content for usage, key in by_usage.items()}
    return found
