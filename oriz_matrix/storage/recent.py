"""What changed since a position, over all tables whose rows carry one: the food of `services.changes`."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.storage import device_lists
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import Position, RoomNid, UserNid

PERSONAL_KINDS = frozenset({"account data", "push rules", "private receipt"})
"""The kinds of change that concern one user alone."""


DEVICE_LIST = "device list"
DEVICE_KINDS = frozenset({DEVICE_LIST, "to device"})
"""The kinds that concern devices, and nothing in a room."""

CAME = "came"
WENT = "went"


class Change(NamedTuple):
    """One fact: what kind, in which room (0: none), about which user (0: none).

    channel: of notices that on which they are left; of messages to a device the device's number; of memberships CAME
    where one begins to be joined and WENT where one ends to be somewhere, if others may know the user's devices.
    """

    position: Position
    kind: str
    room: RoomNid
    user: UserNid
    channel: str


@single
def changes(tx: Transaction, upto: Position, after: Position) -> tuple[Position, list[Change]]:
    """(upto, the changes in (after, upto] in order)."""
    if after >= upto:
        return upto, []
    sql = """
        SELECT event AS position, 'event' AS kind, room, 0 AS user_nid, '' AS channel FROM event_status
        WHERE event > :after AND event <= :upto AND position = event
        UNION ALL SELECT position, 'event', room, 0, '' FROM event_status
        WHERE position <> event AND position > :after AND position <= :upto
        UNION ALL SELECT since, 'membership', room, user_nid, CASE
            WHEN membership = 'join' AND stay_since < since THEN ''
            WHEN (SELECT l.user_nid FROM device_lists l WHERE l.user_nid = memberships.user_nid) IS NULL
                AND (SELECT a.user_nid FROM accounts a WHERE a.user_nid = memberships.user_nid) IS NOT NULL THEN ''
            WHEN membership = 'join' THEN 'came'
            WHEN membership IN ('leave', 'ban') THEN 'went'
            ELSE '' END
        FROM memberships WHERE since > :after AND since <= :upto
        UNION ALL SELECT position, CASE kind WHEN 'm.read.private' THEN 'private receipt' ELSE 'receipt' END,
            room, user_nid, '' FROM receipts
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'typing', room, user_nid, '' FROM typing
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'account data', room, user_nid, '' FROM account_data
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'push rules', 0, user_nid, '' FROM push_rules
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'to device', 0, user_nid, CAST(device AS TEXT) FROM to_device
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'device list', 0, user_nid, '' FROM device_lists
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'notice', 0, 0, channel FROM notices
        WHERE position > :after AND position <= :upto
        ORDER BY 1
    """
    return upto, [Change(*row) for row in tx.rows(sql, after=after, upto=upto)]


def spread(tx: Transaction, changes: Sequence[Change]) -> list[Change]:
    """The same with each changed list of devices once for every room that its user is in, and once for none."""
    users = {change.user for change in changes if change.kind == DEVICE_LIST}
    rooms = device_lists.rooms_of(tx, users)
    found = []
    for change in changes:
        found.append(change)
        if change.kind == DEVICE_LIST:
            found += [change._replace(room=room) for room in rooms.get(change.user, ())]
    return found
