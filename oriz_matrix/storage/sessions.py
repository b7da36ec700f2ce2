"""Sessions and devices. Of tokens only the SHA-256 is kept, so that a stolen database opens no session."""

from typing import NamedTuple

from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.storage import device_keys, device_lists, device_updates, notices, to_device
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import DeviceNid, UserNid

FIND = """
    SELECT s.nid, s.expires_at, s.user_nid, u.user_id, s.device, d.device_id, d.last_seen_at,
        a.is_guest, a.is_admin, a.is_locked, a.is_suspended
    FROM sessions s
    JOIN users u ON u.nid = s.user_nid
    JOIN accounts a ON a.user_nid = s.user_nid
    LEFT JOIN devices d ON d.nid = s.device
    WHERE s.token_hash = :token_hash AND a.deactivated_at IS NULL
"""


class Session(NamedTuple):
    """What a token stands for: a session, its user and their flags; times in milliseconds."""

    nid: int
    expires_at: int | None
    user: UserNid
    user_id: UserId
    device: DeviceNid | None
    device_id: DeviceId | None
    last_seen_at: int | None
    is_guest: bool
    is_admin: bool
    is_locked: bool
    is_suspended: bool


class NewSession(NamedTuple):
    """A session to be made, on a device that may be there already; times in milliseconds."""

    device_id: DeviceId
    display_name: str | None
    token_hash: bytes
    now_ms: int
    ip: str | None = None


def create(tx: Transaction, user: UserNid, new: NewSession) -> DeviceNid:
    """Makes a session on a device. A device that is there already keeps its name and loses its old session."""
    sql = """
        INSERT INTO devices (user_nid, device_id, display_name, created_at, last_seen_at, last_seen_ip)
        VALUES (:user, :device_id, :display_name, :now_ms, :now_ms, :ip)
        ON CONFLICT (user_nid, device_id) DO UPDATE SET
            last_seen_at = EXCLUDED.last_seen_at, last_seen_ip = EXCLUDED.last_seen_ip
        RETURNING nid
    """
    device = DeviceNid(tx.value(sql, user=user, **new._asdict()))
    replaced = tx.run("DELETE FROM sessions WHERE device = :device", device=device)
    sql = """
        INSERT INTO sessions (user_nid, device, token_hash, created_at) VALUES (:user, :device, :token_hash, :now_ms)
    """
    tx.run(sql, user=user, device=device, token_hash=new.token_hash, now_ms=new.now_ms)
    if replaced:
        notices.leave(tx, f"user {user}")
    return device


def log_in(tx: Transaction, user: UserNid, new: NewSession) -> DeviceNid:
    """Makes a session for somebody who is here already: others hear of a device that is new."""
    sql = "SELECT 1 FROM devices WHERE user_nid = :user AND device_id = :device_id"
    is_known = tx.value(sql, user=user, device_id=new.device_id) is not None
    device = create(tx, user, new)
    if not is_known:
        device_lists.note(tx, user)
    return device


@single
def find(tx: Transaction, token_hash: bytes) -> Session | None:
    """The session that a token opens, unless its account was deactivated. The caller looks at `expires_at`."""
    row = tx.one(FIND, token_hash=token_hash)
    return None if row is None else Session(*row[:7], *map(bool, row[7:]))


@single
def is_open(tx: Transaction, session: int) -> bool:
    """Whether a session has not ended."""
    return tx.value("SELECT 1 FROM sessions WHERE nid = :session", session=session) is not None


def seen(tx: Transaction, device: DeviceNid, now_ms: int, ip: str | None) -> None:
    """Remembers when a device was used last, and from where if that is known."""
    sql = """
        UPDATE devices SET last_seen_at = :now, last_seen_ip = COALESCE(:ip, last_seen_ip) WHERE nid = :device
    """
    tx.run(sql, device=device, now=now_ms, ip=ip)


def end(tx: Transaction, user: UserNid, session: int) -> None:
    """Ends a session and deletes its device, and with that whatever belongs to the device alone."""
    sql = "DELETE FROM sessions WHERE nid = :session RETURNING device"
    device = tx.value(sql, session=session)
    if device is not None:
        _delete_devices(tx, user, [DeviceNid(device)])
    notices.leave(tx, f"user {user}")


def end_all(tx: Transaction, user: UserNid) -> None:
    """Ends all sessions of a user and deletes all their devices."""
    tx.run("DELETE FROM sessions WHERE user_nid = :user", user=user)
    sql = "SELECT nid FROM devices WHERE user_nid = :user FOR UPDATE"
    _delete_devices(tx, user, [nid for (nid,) in tx.rows(sql, user=user)])
    notices.leave(tx, f"user {user}")


def _delete_devices(tx: Transaction, user: UserNid, devices: list[DeviceNid]) -> None:
    """All that belongs to a device alone goes with it: its transaction ids (client-server API, "Transaction
    identifiers"), its keys, and what waits for it. Others hear of it."""
    if not devices:
        return
    with_keys = device_keys.ids_with_keys(tx, devices)
    device_keys.delete(tx, devices)
    to_device.delete_all(tx, devices)
    tx.run("DELETE FROM sessions WHERE device = ANY(:devices)", devices=devices)
    tx.run("DELETE FROM transaction_ids WHERE device = ANY(:devices)", devices=devices)
    tx.run("DELETE FROM devices WHERE nid = ANY(:devices)", devices=devices)
    device_updates.announce(tx, user, deleted=with_keys)
