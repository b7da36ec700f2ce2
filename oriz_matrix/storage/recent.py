"""What changed since a position, over all tables whose rows carry one: the food of `services.changes`."""

from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import Position, RoomNid, UserNid

PERSONAL_KINDS = frozenset({"account data", "push rules", "private receipt"})
"""The kinds of change that concern one user alone."""


class Change(NamedTuple):
    """One fact: what kind, in which room (0: none), about which user (0: none), for notices on which channel."""

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
        WHERE event > :after AND event <= :upto AND position IS NOT NULL
        UNION ALL SELECT since, 'membership', room, user_nid, '' FROM memberships
        WHERE since > :after AND since <= :upto
        UNION ALL SELECT position, CASE kind WHEN 'm.read.private' THEN 'private receipt' ELSE 'receipt' END,
            room, user_nid, '' FROM receipts
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'typing', room, user_nid, '' FROM typing
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'account data', room, user_nid, '' FROM account_data
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'push rules', 0, user_nid, '' FROM push_rules
        WHERE position > :after AND position <= :upto
        UNION ALL SELECT position, 'notice', 0, 0, channel FROM notices
        WHERE position > :after AND position <= :upto
        ORDER BY 1
    """
    return upto, [Change(*row) for row in tx.rows(sql, after=after, upto=upto)]
