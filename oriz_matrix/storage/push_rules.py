"""What users changed of the predefined push rules, as the JSON of `protocol.push.rules.UserRules`, with a position.

The row is overwritten in place, so a reader may see it newer than the settled position; it then sees it once more.
"""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, UserNid


class StoredRules(NamedTuple):
    """A user's changes; rule sets may be cached by the position, for a change draws a new one."""

    changes: bytes
    position: Position


def of_users(tx: Transaction, users: Sequence[UserNid]) -> dict[UserNid, StoredRules]:
    """The changes of several users; who changed nothing is left out."""
    sql = "SELECT user_nid, changes, position FROM push_rules WHERE user_nid = ANY(:users)"
    return {user: StoredRules(changes, position) for user, changes, position in tx.rows(sql, users=users)}


def put(tx: Transaction, user: UserNid, changes: bytes) -> Position:
    """Keeps all changes of a user; the position from which on they hold.

    Who decides on the changes before takes `lock` first and reads them after it.
    """
    lock(tx, user)
    sql = """
        INSERT INTO push_rules (user_nid, changes, position) VALUES (:user, :changes, :position)
        ON CONFLICT (user_nid) DO UPDATE SET changes = EXCLUDED.changes, position = EXCLUDED.position
    """
    position = tx.position()
    tx.run(sql, user=user, changes=changes, position=position)
    return position


def lock(tx: Transaction, user: UserNid) -> None:
    """Lets one change of a user's rules wait for the other."""
    tx.lock(f"push rules {user}")
