"""Messages to devices: each waits for its device until that has said that it has it. Client-server API, "Send-to-Device
messaging".
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import interning
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import DeviceNid, Position

ALL_DEVICES = "*"
IDS_KEPT_S = 30 * 24 * 3600
POSITIONS_A_SECOND = 16_384


class Message(NamedTuple):
    """What is sent: who sends it, of what type, and the contents by user and device, where `*` is every device."""

    sender: UserId
    type: str
    contents: Mapping[UserId, Mapping[str, Mapping[str, Any]]]


class DeviceState(NamedTuple):
    """What the sync of a device needs to know: how many one-time keys are left by algorithm, the algorithms of fallback
    keys that were not used, and the first and the last message that wait."""

    counts: Mapping[str, int]
    unused_fallbacks: Sequence[str]
    oldest: Position | None
    newest: Position | None


def take(tx: Transaction, sender: str, message_id: str, now_ms: int) -> bool:
    """Notes that a message was taken; False where it was taken before. `sender`: see the schema."""
    sql = """
        INSERT INTO to_device_ids (sender, message_id, taken_at) VALUES (:sender, :message_id, :now)
        ON CONFLICT (sender, message_id) DO NOTHING
    """
    return tx.run(sql, sender=sender, message_id=message_id, now=now_ms) == 1


def deliver(tx: Transaction, message: Message) -> None:
    """Puts a message before those of the devices that are here."""
    numbers = {interning.find_user(tx, user_id): user_id for user_id in message.contents}
    users = {nid: user_id for nid, user_id in numbers.items() if nid is not None}
    if not users:
        return
    sql = "SELECT nid, user_nid, device_id FROM devices WHERE user_nid = ANY(:users) ORDER BY nid"
    rows = []
    for device, user, device_id in tx.rows(sql, users=list(users)):
        by_device = message.contents[users[user]]
        content = by_device.get(device_id, by_device.get(ALL_DEVICES))
        if content is not None:
            body = {"sender": message.sender, "type": message.type, "content": content}
            rows.append({"device": device, "user": user, "body": msgspec.json.encode(body)})
    if not rows:
        return
    insert = """
        INSERT INTO to_device (device, position, user_nid, body) VALUES (:device, :position, :user, :body)
    """
    position = tx.position()
    tx.many(insert, [{**row, "position": position} for row in rows])


def waiting(
    tx: Transaction, device: DeviceNid, after: Position, upto: Position, limit: int
) -> list[tuple[Position, bytes]]:
    """The messages of a stretch in the order in which they came, as (position, JSON)."""
    sql = """
        SELECT position, body FROM to_device WHERE device = :device AND position > :after AND position <= :upto
        ORDER BY position LIMIT :limit
    """
    rows = tx.rows(sql, device=device, after=after, upto=upto, limit=limit)
    return [(position, bytes(body)) for position, body in rows]


def delete(tx: Transaction, device: DeviceNid, upto: Position) -> None:
    """Deletes what the device has."""
    tx.run("DELETE FROM to_device WHERE device = :device AND position <= :upto", device=device, upto=upto)


def delete_all(tx: Transaction, devices: Sequence[DeviceNid]) -> None:
    """Deletes all that waits for devices that are about to be deleted."""
    tx.run("DELETE FROM to_device WHERE device = ANY(:devices)", devices=devices)


@single
def state(tx: Transaction, device: DeviceNid) -> DeviceState:
    """What there is for a device."""
    sql = """
        SELECT 'one-time keys', algorithm, count(*), 0 FROM one_time_keys
        WHERE device = :device AND taken_at IS NULL GROUP BY algorithm
        UNION ALL SELECT 'fallback key', algorithm, 0, 0 FROM fallback_keys WHERE device = :device AND NOT used
        UNION ALL SELECT 'messages', '', min(position), max(position) FROM to_device WHERE device = :device
    """
    rows = tx.rows(sql, device=device)
    [(oldest, newest)] = [(first, last) for kind, _, first, last in rows if kind == "messages"]
    return DeviceState(
        counts={algorithm: count for kind, algorithm, count, _ in rows if kind == "one-time keys"},
        unused_fallbacks=sorted(algorithm for kind, algorithm, _, _ in rows if kind == "fallback key"),
        oldest=oldest,
        newest=newest,
    )


def forget_ids(tx: Transaction, settled: Position) -> None:
    """Forgets which messages were taken a month ago: nobody repeats one so late."""
    before_ms = (settled // POSITIONS_A_SECOND - IDS_KEPT_S) * 1000
    tx.run("DELETE FROM to_device_ids WHERE taken_at < :before", before=before_ms)
