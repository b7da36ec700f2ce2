"""One-time and fallback keys of this server's devices: each one-time key is handed out once, in the order of upload.

Source: client-server API, "One-time and fallback keys"; traps.md 37.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.storage import notices
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import DeviceNid, UserNid

KEPT_MS = 30 * 24 * 3_600_000
"""How long a key that was handed out is remembered, so that a repeated upload does not bring it back."""


class KeyName(NamedTuple):
    """The id of a key in its two parts."""

    algorithm: str
    name: str


class Wanted(NamedTuple):
    """A key that somebody wants: of which device, and of which kind."""

    user_id: UserId
    device_id: DeviceId
    algorithm: str


class Taken(NamedTuple):
    """A key that is handed out; `key_id` has both parts, the key is JSON."""

    wanted: Wanted
    key_id: str
    key: msgspec.Raw


def known(tx: Transaction, device: DeviceNid, names: Sequence[KeyName]) -> dict[KeyName, tuple[bytes, bool]]:
    """The device's keys of these names, and whether each was handed out. Holds back other uploads of the device."""
    tx.lock(f"one-time keys {device}")
    sql = """
        SELECT algorithm, key_id, body, taken_at FROM one_time_keys WHERE device = :device AND key_id = ANY(:names)
    """
    rows = tx.rows(sql, device=device, names=list({name.name for name in names}))
    return {KeyName(algorithm, name): (bytes(body), taken_at is not None) for algorithm, name, body, taken_at in rows}


def add(tx: Transaction, device: DeviceNid, keys: Mapping[KeyName, bytes], now_ms: int) -> None:
    """Stores keys behind those of earlier uploads; one that was handed out under the same name is replaced."""
    forget = "DELETE FROM one_time_keys WHERE device = :device AND taken_at < :before"
    tx.run(forget, device=device, before=now_ms - KEPT_MS)
    upload = tx.value("SELECT max(upload) FROM one_time_keys WHERE device = :device", device=device) or 0
    sql = """
        INSERT INTO one_time_keys (device, algorithm, key_id, upload, body)
        VALUES (:device, :algorithm, :name, :upload, :body)
        ON CONFLICT (device, algorithm, key_id) DO UPDATE SET
            upload = EXCLUDED.upload, body = EXCLUDED.body, taken_at = NULL
    """
    rows = [{"device": device, "upload": upload + 1, "body": body, **key._asdict()} for key, body in keys.items()]
    tx.many(sql, rows)


def put_fallback(tx: Transaction, device: DeviceNid, keys: Mapping[KeyName, bytes]) -> None:
    """Stores fallback keys, one of each algorithm; one that is there already stays used."""
    sql = """
        INSERT INTO fallback_keys (device, algorithm, key_id, body) VALUES (:device, :algorithm, :name, :body)
        ON CONFLICT (device, algorithm) DO UPDATE SET
            key_id = EXCLUDED.key_id, body = EXCLUDED.body, used = FALSE
        WHERE fallback_keys.key_id <> EXCLUDED.key_id OR fallback_keys.body <> EXCLUDED.body
    """
    tx.many(sql, [{"device": device, "body": body, **key._asdict()} for key, body in keys.items()])


def counts(tx: Transaction, device: DeviceNid) -> dict[str, int]:
    """How many one-time keys are left, by algorithm."""
    sql = """
        SELECT algorithm, count(*) FROM one_time_keys WHERE device = :device AND taken_at IS NULL GROUP BY algorithm
    """
    return dict(tx.rows(sql, device=device))


def tell(tx: Transaction, user: UserNid, devices: Sequence[DeviceNid]) -> None:
    """Lets the syncs of devices know that their keys have become more or fewer."""
    for device in devices:
        notices.leave(tx, f"devices {user} {device}")


def take(tx: Transaction, wanted: Sequence[Wanted], now_ms: int) -> list[Taken]:
    """Hands out a key for each device that has one: a one-time key, or else the fallback key."""
    sql = """
        SELECT u.user_id, d.device_id, d.user_nid, d.nid FROM users u JOIN devices d ON d.user_nid = u.nid
        WHERE u.user_id = ANY(:users) AND d.device_id = ANY(:devices)
    """
    rows = tx.rows(sql, users=list({w.user_id for w in wanted}), devices=list({w.device_id for w in wanted}))
    numbers = {(user_id, device_id): (user, device) for user_id, device_id, user, device in rows}
    found, told = [], dict[DeviceNid, UserNid]()
    for each in wanted:
        if (at := numbers.get((each.user_id, each.device_id))) is None:
            continue
        user, device = at
        taken = _one_time(tx, device, each.algorithm, now_ms)
        is_news = taken is not None
        if taken is None:
            taken, is_news = _fallback(tx, device, each.algorithm)
        if taken is not None:
            found.append(Taken(each, f"{each.algorithm}:{taken[0]}", msgspec.Raw(taken[1])))
        if is_news:
            told[device] = user
    for device, user in told.items():
        tell(tx, user, [device])
    return found


def _one_time(tx: Transaction, device: DeviceNid, algorithm: str, now_ms: int) -> tuple[str, bytes] | None:
    """The name and the body of the key that has lain there longest; passes over those that others take just now."""
    sql = """
        UPDATE one_time_keys SET taken_at = :now WHERE (device, algorithm, key_id) = (
            SELECT device, algorithm, key_id FROM one_time_keys
            WHERE device = :device AND algorithm = :algorithm AND taken_at IS NULL
            ORDER BY upload LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING key_id, body
    """
    row = tx.one(sql, device=device, algorithm=algorithm, now=now_ms)
    return None if row is None else (row[0], bytes(row[1]))


def _fallback(tx: Transaction, device: DeviceNid, algorithm: str) -> tuple[tuple[str, bytes] | None, bool]:
    """The fallback key, and whether it is used for the first time."""
    sql = """
        SELECT key_id, body, used FROM fallback_keys WHERE device = :device AND algorithm = :algorithm FOR UPDATE
    """
    row = tx.one(sql, device=device, algorithm=algorithm)
    if row is None:
        return None, False
    key_id, body, used = row
    if not used:
        sql = "UPDATE fallback_keys SET used = TRUE WHERE device = :device AND algorithm = :algorithm"
        tx.run(sql, device=device, algorithm=algorithm)
    return (key_id, bytes(body)), not used
