"""Accounts: the users of this server, hashes of their passwords, their flags. A used name is never free again."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import interning, notices
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid


class NewAccount(NamedTuple):
    """An account to be made; without a password's hash no password opens it."""

    user_id: UserId
    password_hash: str | None = None
    is_guest: bool = False
    is_admin: bool = False
    user_type: str | None = None


class Flags(NamedTuple):
    """What administrators set and take away again."""

    is_admin: bool = False
    is_locked: bool = False
    is_suspended: bool = False


class Account(NamedTuple):
    """An account as it is now; `created_at` and `deactivated_at` in milliseconds."""

    user: UserNid
    user_id: UserId
    password_hash: str | None
    user_type: str | None
    created_at: int
    deactivated_at: int | None
    is_guest: bool
    is_admin: bool
    is_locked: bool
    is_suspended: bool


def create(tx: Transaction, account: NewAccount, now_ms: int) -> UserNid:
    """Makes an account. Raises Duplicate when there is one of this name, in whatever case of letters."""
    folded = account.user_id.lower()
    tx.lock(f"account {folded}")
    if is_taken(tx, account.user_id):
        raise Duplicate(f"the account {account.user_id} exists")
    user = interning.user(tx, account.user_id)
    sql = """
        INSERT INTO accounts (user_nid, folded_id, password_hash, user_type, created_at, is_guest, is_admin)
        VALUES (:user, :folded, :password_hash, :user_type, :now, :is_guest, :is_admin)
    """
    tx.run(
        sql,
        user=user,
        folded=folded,
        password_hash=account.password_hash,
        user_type=account.user_type,
        now=now_ms,
        is_guest=account.is_guest,
        is_admin=account.is_admin,
    )
    return user


def upgrade(tx: Transaction, user_id: UserId, password_hash: str | None) -> UserNid | None:
    """Makes a guest a user with a password; None where there is no guest of this name any more."""
    account = find(tx, user_id)
    if account is None:
        return None
    sql = """
        UPDATE accounts SET is_guest = FALSE, password_hash = :password_hash
        WHERE user_nid = :user AND is_guest AND deactivated_at IS NULL
    """
    if tx.run(sql, user=account.user, password_hash=password_hash) == 0:
        return None
    notices.leave(tx, f"user {account.user}")
    return account.user


def is_taken(tx: Transaction, user_id: UserId) -> bool:
    """Whether an account has this name, in whatever case of letters; deactivated ones keep theirs."""
    sql = "SELECT 1 FROM accounts WHERE folded_id = :folded"
    return tx.value(sql, folded=user_id.lower()) is not None


def find(tx: Transaction, user_id: UserId) -> Account | None:
    """The account of this name, or else the only one whose name differs in nothing but the case of letters.

    Imported accounts may have capitals, and even differ in them alone. Appendices, "User Identifiers".
    """
    sql = """
        SELECT a.user_nid, u.user_id, a.password_hash, a.user_type, a.created_at, a.deactivated_at,
            a.is_guest, a.is_admin, a.is_locked, a.is_suspended
        FROM accounts a JOIN users u ON u.nid = a.user_nid WHERE a.folded_id = :folded
    """
    rows = tx.rows(sql, folded=user_id.lower())
    found = [Account(*row[:6], *map(bool, row[6:])) for row in rows]
    exact = [account for account in found if account.user_id == user_id]
    return exact[0] if exact else found[0] if len(found) == 1 else None


def set_flags(tx: Transaction, user: UserNid, flags: Flags) -> None:
    """Sets all flags; every process hears of it."""
    sql = """
        UPDATE accounts SET is_admin = :is_admin, is_locked = :is_locked, is_suspended = :is_suspended
        WHERE user_nid = :user
    """
    tx.run(sql, user=user, **flags._asdict())
    notices.leave(tx, f"user {user}")


def deactivate(tx: Transaction, user: UserNid, now_ms: int) -> None:
    """Shuts an account for ever and forgets its password. Its sessions are ended by `sessions.end_all`."""
    sql = """
        UPDATE accounts SET deactivated_at = :now, password_hash = NULL
        WHERE user_nid = :user AND deactivated_at IS NULL
    """
    tx.run(sql, user=user, now=now_ms)


def local_among(tx: Transaction, users: Sequence[UserNid]) -> dict[UserNid, UserId]:
    """Those of the users who have an account here, with their names."""
    sql = """
        SELECT a.user_nid, u.user_id FROM accounts a JOIN users u ON u.nid = a.user_nid WHERE a.user_nid = ANY(:users)
    """
    return {row[0]: row[1] for row in tx.rows(sql, users=list(users))}
