"""Tokens by which users prove to third parties who they are; of each only the SHA-256 is kept."""

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import UserNid


def create(tx: Transaction, token_hash: bytes, user: UserNid, now_ms: int, expires_at: int) -> None:
    """Keeps a token of a user until a time in milliseconds. Sweeps away some that have expired."""
    sweep = """
        DELETE FROM openid_tokens WHERE token_hash IN
            (SELECT token_hash FROM openid_tokens WHERE expires_at <= :now ORDER BY expires_at LIMIT 100)
    """
    tx.run(sweep, now=now_ms)
    sql = "INSERT INTO openid_tokens (token_hash, user_nid, expires_at) VALUES (:token_hash, :user, :expires_at)"
    tx.run(sql, token_hash=token_hash, user=user, expires_at=expires_at)


@single
def find(tx: Transaction, token_hash: bytes, now_ms: int) -> UserId | None:
    """Whose token it is; None where it is none, has expired, or its user's account was deactivated."""
    sql = """
        SELECT u.user_id FROM openid_tokens t
        JOIN users u ON u.nid = t.user_nid JOIN accounts a ON a.user_nid = t.user_nid
        WHERE t.token_hash = :token_hash AND t.expires_at > :now AND a.deactivated_at IS NULL
    """
    user_id: UserId | None = tx.value(sql, token_hash=token_hash, now=now_ms)
    return user_id
