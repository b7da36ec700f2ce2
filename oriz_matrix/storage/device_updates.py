"""What other servers are told of the devices of this server's users: who shares a room with them hears of each change.

The messages of a user are a chain: each names the number of the one before, so that a server which has missed one knows
it and asks. Source: server-server API, "Device Management"; traps.md 32.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from oriz_matrix.protocol.encryption import Device, Usage, UserKeys
from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId
from oriz_matrix.storage import device_keys, device_lists, interning, membership, outbox, servers
from oriz_matrix.storage.jobs import JobRequest
from oriz_matrix.storage.outbox import Edu
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, RoomNid, UserNid

UPDATE = "m.device_list_update"
SIGNING_KEYS = "m.signing_key_update"
TOLD_USAGES = (Usage.MASTER, Usage.SELF_SIGNING)
NEWCOMERS = "newcomers"


def newcomer(room: RoomNid, user: UserNid) -> JobRequest:
    """The job that a join of a room that is shared with other servers asks for, of a user of here or elsewhere."""
    return JobRequest(NEWCOMERS, f"{room} {user}")


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
    hearers = _servers_of(tx, user) if told else []
    before = device_lists.get(tx, user).stream_id if told else None
    positions = tx.positions(max(len(told), 1))
    device_lists.put(tx, user, positions[-1], positions[-1] if told else None)
    chain = zip(positions, [before, *positions], strict=False)
    outbox.add_edus(tx, hearers, [_update(user_id, *each, ids) for each, ids in zip(told, chain, strict=False)])
    return hearers


def announce_signing_keys(tx: Transaction, user: UserNid, usages: Iterable[Usage]) -> list[ServerName]:
    """A user here has new cross-signing keys. Call it when they are written. The servers, as above."""
    device_lists.note(tx, user)
    hearers = [] if set(usages).isdisjoint(TOLD_USAGES) else _servers_of(tx, user)
    if not hearers:
        return []
    [user_id] = interning.user_ids(tx, [user]).values()
    keys = device_keys.of_users(tx, [user_id])[user_id].keys
    # Both, whichever is new: a message that has not gone out yet is replaced.
    content = {"user_id": user_id, **{f"{usage.value}_key": keys[usage] for usage in TOLD_USAGES if usage in keys}}
    outbox.add_edus(tx, hearers, [Edu(SIGNING_KEYS, f"signing keys {user_id}", content)])
    return hearers


def tell_new_server(tx: Transaction, room: RoomNid, server: ServerName) -> list[ServerName]:
    """A server has come into a room: it is told of the members here of whose devices it has not heard so far. The
    servers, as above."""
    sql = """
        SELECT m.user_nid, (SELECT l.stream_id FROM device_lists l WHERE l.user_nid = m.user_nid) FROM memberships m
        WHERE m.room = :room AND m.until = :forever AND m.membership = 'join'
            AND (SELECT a.user_nid FROM accounts a WHERE a.user_nid = m.user_nid) IS NOT NULL
    """
    rows = tx.rows(sql, room=room, forever=FOREVER)
    users: dict[UserNid, int] = {user: stream_id for user, stream_id in rows if stream_id is not None}
    others = set(servers.rooms_of(tx, server)) - {room}
    heard = {user for user, rooms in device_lists.rooms_of(tx, users).items() if not others.isdisjoint(rooms)}
    return _tell(tx, [server], {user: stream_id for user, stream_id in users.items() if user not in heard})


def tell_of_newcomer(tx: Transaction, room: RoomNid, user: UserNid) -> list[ServerName]:
    """A user here has come into a room: those of its servers that share no other with the user are told of the user's
    devices. The servers, as above."""
    if (stream_id := device_lists.get(tx, user).stream_id) is None:
        return []
    others = set(membership.joined_rooms(tx, user)) - {room}
    heard = servers.in_rooms(tx, others)
    return _tell(tx, [server for server in servers.in_room(tx, room) if server not in heard], {user: stream_id})


def _tell(tx: Transaction, hearers: list[ServerName], users: Mapping[UserNid, int]) -> list[ServerName]:
    """One message of each user, the newest, which follows on itself: whoever knows just that state has no more to do,
    and whoever knows another asks for the whole."""
    if not hearers or not users:
        return []
    names = interning.user_ids(tx, users)
    described = device_keys.of_users(tx, list(names.values()))
    edus = []
    for user, stream_id in users.items():
        user_id = names[user]
        for device_id, device in list(described[user_id].devices.items())[-1:]:
            edus.append(_update(user_id, device_id, device, (stream_id, stream_id)))
    outbox.add_edus(tx, hearers, edus)
    return hearers if edus else []


def _servers_of(tx: Transaction, user: UserNid) -> list[ServerName]:
    """The other servers that share a room with a user."""
    return sorted(servers.in_rooms(tx, membership.joined_rooms(tx, user)))


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
