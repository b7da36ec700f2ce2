"""Walks through spaces that a client may go on with: what was seen, and what comes next, behind a token."""

from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import UserNid

KEPT = 5
"""So many walks of one user are kept, those that were made last."""


class Walk(NamedTuple):
    """A walk to be kept; `expires_at` in milliseconds."""

    token: str
    user: UserNid
    body: bytes
    expires_at: int


def keep(tx: Transaction, walk: Walk, now_ms: int) -> None:
    """Keeps a walk, and forgets the user's oldest."""
    sql = """
        DELETE FROM space_walks WHERE user_nid = :user AND (expires_at <= :now OR token NOT IN
            (SELECT token FROM space_walks WHERE user_nid = :user ORDER BY expires_at DESC LIMIT :most))
    """
    tx.run(sql, user=walk.user, now=now_ms, most=KEPT - 1)
    sql = "INSERT INTO space_walks (token, user_nid, body, expires_at) VALUES (:token, :user, :body, :expires_at)"
    tx.run(sql, **walk._asdict())


@single
def find(tx: Transaction, token: str, user: UserNid, now_ms: int) -> bytes | None:
    """What was kept under a token of this user, unless it has expired."""
    sql = "SELECT body FROM space_walks WHERE token = :token AND user_nid = :user AND expires_at > :now"
    body: bytes | None = tx.value(sql, token=token, user=user, now=now_ms)
    return body
