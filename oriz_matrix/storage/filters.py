"""Filters that clients have stored, as canonical JSON; the same filter has the same id."""

from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import UserNid


def add(tx: Transaction, user: UserNid, body: bytes) -> int:
    """The id of a filter, stored now if it is new; ids count from 1 for each user."""
    tx.lock(f"filters {user}")
    known: int | None = tx.value(
        "SELECT filter_id FROM filters WHERE user_nid = :user AND body = :body", user=user, body=body
    )
    if known is not None:
        return known
    sql = """
        INSERT INTO filters (user_nid, filter_id, body)
        SELECT :user, COALESCE(MAX(filter_id), 0) + 1, :body FROM filters WHERE user_nid = :user
        RETURNING filter_id
    """
    added: int = tx.value(sql, user=user, body=body)
    return added


@single
def get(tx: Transaction, user: UserNid, filter_id: int) -> bytes | None:
    """A stored filter as canonical JSON."""
    sql = "SELECT body FROM filters WHERE user_nid = :user AND filter_id = :filter_id"
    body: bytes | None = tx.value(sql, user=user, filter_id=filter_id)
    return body
