"""Interactive authentication in progress, and nonces of shared-secret registration: short-lived rows with a payload.

`purpose` keeps the kinds apart: what was begun for one can never be used for another.
"""

from oriz_matrix.storage.transaction import Transaction


def create(tx: Transaction, session_id: str, purpose: str, payload: bytes, lifetime: tuple[int, int]) -> None:
    """Keeps a payload; `lifetime` is (now, expiry) in milliseconds. Sweeps away some that have expired."""
    now_ms, expires_at = lifetime
    sweep = """
        DELETE FROM auth_sessions WHERE session_id IN
            (SELECT session_id FROM auth_sessions WHERE expires_at <= :now ORDER BY expires_at LIMIT 100)
    """
    tx.run(sweep, now=now_ms)
    sql = """
        INSERT INTO auth_sessions (session_id, purpose, payload, expires_at)
        VALUES (:session_id, :purpose, :payload, :expires_at)
    """
    tx.run(sql, session_id=session_id, purpose=purpose, payload=payload, expires_at=expires_at)


def find(tx: Transaction, session_id: str, purpose: str, now_ms: int) -> bytes | None:
    """The payload, or None when there is no such session or it has expired."""
    sql = """
        SELECT payload FROM auth_sessions
        WHERE session_id = :session_id AND purpose = :purpose AND expires_at > :now
    """
    payload: bytes | None = tx.value(sql, session_id=session_id, purpose=purpose, now=now_ms)
    return payload


def replace(tx: Transaction, session_id: str, payload: bytes) -> None:
    """Keeps another payload, if the session is still there."""
    sql = "UPDATE auth_sessions SET payload = :payload WHERE session_id = :session_id"
    tx.run(sql, session_id=session_id, payload=payload)


def take(tx: Transaction, session_id: str, purpose: str, now_ms: int) -> bool:
    """Uses a session up; False for whoever comes too late or second."""
    sql = """
        DELETE FROM auth_sessions
        WHERE session_id = :session_id AND purpose = :purpose AND expires_at > :now
    """
    return tx.run(sql, session_id=session_id, purpose=purpose, now=now_ms) == 1
