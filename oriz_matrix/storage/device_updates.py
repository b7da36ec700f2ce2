"""What other servers are told of the devices of this server's users: who shares a room with them hears of each change.

The messages of a user are a chain: each names the number of the one before, so that a server which has missed one knows
it and asks. Source: server-server API, "Device Management"; traps.md 32.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from oriz_matrix.protocol.encryption import Device, Usage, UserKeys
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId
from oriz_matrix.storage import device_keys, device_lists, interning, outbox
from oriz_matrix.storage.outbox import Edu
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, RoomNid, UserNid

UPDATE = "m.device_list_update"
SIGNING_KEYS = "m.signing_key_update"
TOLD_USAGES = (Usage.MASTER, Usage.SELF_SIGNING)


def announce(
    tx: Transaction, user: UserNid, changed: Iterable[DeviceId] = (), deleted: Iterable[DeviceId] = ()
) -> list[ServerName]:
    """Devices of a user here have new keys, names or signatures, or were deleted. Call it when the change is written.

    All who share a room with the user hear of it, here and elsewhere; elsewhere only of devices that have keys, or had
    (`deleted`). The servers for which there is something in the outbox.
    """
    device_lists.lock(tx, user)
    [user_id] = interning.user_ids(tx, [user]).values()
    described = device_keys.of_users(tx, [user_id]).get(user_id, UserKeys()).devices
    told = [*((each, described[each]) for each in changed if each in described), *((each, None) for each in deleted)]
    servers = _servers_of(tx, user) if told else []
    before = device_lists.get(tx, user).stream_id if told else None
    positions = tx.positions(max(len(told), 1))
    device_lists.put(tx, user, positions[-1], positions[-1] if told else None)
    chain = zip(positions, [before, *positions], strict=False)
    outbox.add_edus(tx, servers, [_update(user_id, *each, ids) for each, ids in zip(told, chain, strict=False)])
    return servers


def announce_signing_keys(tx: Transaction, user: UserNid, usages: Iterable[Usage]) -> list[ServerName]:
    """A user here has new cross-signing keys. Call it when they are written. The servers, as above."""
    device_lists.note(tx, user)
    servers = [] if set(usages).isdisjoint(TOLD_USAGES) else _servers_of(tx, user)
    if not servers:
        return []
    [user_id] = interning.user_ids(tx, [user]).values()
    keys = device_keys.of_users(tx, [user_id])[user_id].keys
    # Both, whichever is new: a message that has not gone out yet is replaced.
    content = {"user_id": user_id, **{f"{usage.value}_key": keys[usage] for usage in TOLD_USAGES if usage in keys}}
    outbox.add_edus(tx, servers, [Edu(SIGNING_KEYS, f"signing keys {user_id}", content)])
    return servers


def tell_new_server(tx: Transaction, room: RoomNid, server: ServerName) -> list[ServerName]:
    """A server has come into a room: it is told of the members here of whose devices it has not heard so far. The
    servers, as above."""
    sql = """
        SELECT m.user_nid, l.stream_id FROM memberships m JOIN device_lists l ON l.user_nid = m.user_nid
        WHERE m.room = :room AND m.until = :forever AND m.membership = 'join' AND l.stream_id IS NOT NULL
            AND (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM memberships o JOIN room_servers s ON s.room = o.room AND s.server = :server
                WHERE o.user_nid = m.user_nid AND o.until = :forever AND o.membership = 'join' AND o.room <> :room
            )
    """
    return _tell(tx, [server], dict(tx.rows(sql, room=room, server=server, forever=FOREVER)))


def tell_of_newcomer(tx: Transaction, room: RoomNid, user: UserNid) -> list[ServerName]:
    """A user here has come into a room: those of its servers that share no other with the user are told of the user's
    devices. The servers, as above."""
    if (stream_id := device_lists.get(tx, user).stream_id) is None:
        return []
    sql = """
        SELECT s.server FROM room_servers s WHERE s.room = :room AND NOT EXISTS (
            SELECT 1 FROM memberships o JOIN room_servers other ON other.room = o.room AND other.server = s.server
            WHERE o.user_nid = :user AND o.until = :forever AND o.membership = 'join' AND o.room <> :room
        )
    """
    servers = [server for (server,) in tx.rows(sql, room=room, user=user, forever=FOREVER)]
    return _tell(tx, servers, {user: stream_id})


def _tell(tx: Transaction, servers: list[ServerName], users: Mapping[UserNid, int]) -> list[ServerName]:
    """One message of each user: without a number before it, so that whoever knows another state asks for the whole."""
    if not servers or not users:
        return []
    names = interning.user_ids(tx, users)
    described = device_keys.of_users(tx, list(names.values()))
    edus = []
    for user, stream_id in users.items():
        user_id = names[user]
        for device_id, device in list(described[user_id].devices.items())[-1:]:
            edus.append(_update(user_id, device_id, device, (stream_id, None)))
    outbox.add_edus(tx, servers, edus)
    return servers if edus else []


def _servers_of(tx: Transaction, user: UserNid) -> list[ServerName]:
    """The other servers that share a room with a user."""
    sql = """
        SELECT DISTINCT s.server FROM memberships m JOIN room_servers s ON s.room = m.room
        WHERE m.user_nid = :user AND m.until = :forever AND m.membership = 'join' ORDER BY 1
    """
    return [server for (server,) in tx.rows(sql, user=user, forever=FOREVER)]


def _update(user_id: UserId, device_id: DeviceId, device: Device | None, ids: tuple[int, int | None]) -> Edu:
    """The message about one device, None where it was deleted; `ids` are its number and that of the one before."""
    stream_id, before = ids
    content: dict[str, Any] = {
        "user_id": user_id,
        "device_id": device_id,
        "stream_id": stream_id,
        "prev_id": [] if before is None else [before],
    }
    if device is None:
        content["deleted"] = True
    else:
        content["keys"] = {name: value for name, value in device.keys.items() if name != "unsigned"}
        if device.display_name is not None:
            content["device_display_name"] = device.display_name
    return Edu(UPDATE, f"device {user_id} {device_id}", content)
