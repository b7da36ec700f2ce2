"""Identity keys of this server's devices and cross-signing keys of users, with the signatures that were added to them.

Source: client-server API, "Device keys", "Cross-signing".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from oriz_matrix.protocol.encryption import Device, PublicKey, Signature, Usage, UserKeys, with_signatures
from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.storage import interning
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import DeviceNid, UserNid

_decode = msgspec.json.decode


def lock(tx: Transaction, device: DeviceNid) -> None:
    """Lets one upload of a device's identity keys wait for the other."""
    tx.lock(f"device keys {device}")


def ids(tx: Transaction, user: UserNid) -> list[DeviceId]:
    """The ids of all devices of a user, also of those without keys."""
    return [device_id for (device_id,) in tx.rows("SELECT device_id FROM devices WHERE user_nid = :user", user=user)]


def ids_with_keys(tx: Transaction, devices: Sequence[DeviceNid]) -> list[DeviceId]:
    """The ids of those of the devices that have keys."""
    sql = """
        SELECT (SELECT d.device_id FROM devices d WHERE d.nid = k.device) FROM device_keys k
        WHERE k.device = ANY(:devices)
    """
    return [device_id for (device_id,) in tx.rows(sql, devices=devices)]


def get(tx: Transaction, device: DeviceNid) -> dict[str, Any] | None:
    """The identity keys of a device, as it uploaded them."""
    body = tx.value("SELECT body FROM device_keys WHERE device = :device", device=device)
    return None if body is None else _decode(body)


def put(tx: Transaction, device: DeviceNid, keys: Mapping[str, Any]) -> None:
    """Stores the identity keys of a device in place of those before."""
    sql = """
        INSERT INTO device_keys (device, body) VALUES (:device, :body)
        ON CONFLICT (device) DO UPDATE SET body = EXCLUDED.body
    """
    tx.run(sql, device=device, body=msgspec.json.encode(keys))


def of_users(tx: Transaction, users: Collection[UserId], reader: UserId | None = None) -> dict[UserId, UserKeys]:
    """Devices with keys, and cross-signing keys, of those of the users who have an account here.

    With the signatures that everybody may see, and those that `reader` made; their key for signing users is among it.
    Client-server API, "Key and signature security".
    """
    sql = """
        SELECT u.nid, u.user_id FROM users u WHERE u.user_id = ANY(:users)
            AND (SELECT a.user_nid FROM accounts a WHERE a.user_nid = u.nid) IS NOT NULL
    """
    names = {UserNid(nid): UserId(user_id) for nid, user_id in tx.rows(sql, users=list(users))}
    found = {user_id: UserKeys() for user_id in names.values()}
    if not names:
        return found
    signatures = _signatures(tx, names, reader)
    # Asked device by device: a join would let the engine read all keys.
    sql = """
        SELECT d.user_nid, d.device_id, d.display_name, (SELECT k.body FROM device_keys k WHERE k.device = d.nid)
        FROM devices d WHERE d.user_nid = ANY(:users) ORDER BY d.nid
    """
    rows = [row for row in tx.rows(sql, users=list(names)) if row[3] is not None]
    for nid, device_id, display_name, body in rows:
        keys = with_signatures(_decode(body), signatures.get((names[nid], device_id), ()))
        found[names[nid]].devices[DeviceId(device_id)] = Device(keys, display_name)
    for nid, by_usage in cross_signing(tx, list(names)).items():
        for usage, key in by_usage.items():
            if usage is not Usage.USER_SIGNING or names[nid] == reader:
                added = signatures.get((names[nid], key.text), ())
                found[names[nid]].keys[usage] = with_signatures(key.content, added)
    return found


def cross_signing(tx: Transaction, users: Sequence[UserNid]) -> dict[UserNid, dict[Usage, PublicKey]]:
    """The cross-signing keys of users, of here and elsewhere, without signatures that were added."""
    sql = "SELECT user_nid, usage, public_key, body FROM cross_signing_keys WHERE user_nid = ANY(:users)"
    found: dict[UserNid, dict[Usage, PublicKey]] = {}
    for user, usage, text, body in tx.rows(sql, users=users):
        found.setdefault(user, {})[Usage(usage)] = PublicKey(text, _decode(body))
    return found


def put_cross_signing(tx: Transaction, user: UserNid, keys: Mapping[Usage, PublicKey]) -> None:
    """Stores cross-signing keys in place of those for the same usages, whose signatures go with them."""
    before = cross_signing(tx, [user]).get(user, {})
    for usage, key in keys.items():
        if usage in before and before[usage].text != key.text:
            forget_signatures(tx, user, before[usage].text)
            sql = "DELETE FROM key_signatures WHERE signer = :user AND signer_key = :key_id"
            tx.run(sql, user=user, key_id=before[usage].key_id)
    sql = """
        INSERT INTO cross_signing_keys (user_nid, usage, public_key, body) VALUES (:user, :usage, :text, :body)
        ON CONFLICT (user_nid, usage) DO UPDATE SET public_key = EXCLUDED.public_key, body = EXCLUDED.body
    """
    rows = [
        {"user": user, "usage": usage.value, "text": key.text, "body": msgspec.json.encode(key.content)}
        for usage, key in keys.items()
    ]
    tx.many(sql, rows)


def add_signatures(tx: Transaction, signatures: Iterable[Signature]) -> None:
    """Adds signatures to keys that were uploaded earlier."""
    sql = """
        INSERT INTO key_signatures (user_nid, key_name, signer, signer_key, signature)
        VALUES (:user, :key_name, :signer, :signer_key, :signature)
        ON CONFLICT (user_nid, key_name, signer, signer_key) DO UPDATE SET signature = EXCLUDED.signature
    """
    rows = [
        {
            "user": interning.user(tx, each.user_id),
            "key_name": each.key_name,
            "signer": interning.user(tx, each.signer),
            "signer_key": each.signer_key,
            "signature": each.signature,
        }
        for each in signatures
    ]
    tx.many(sql, rows)


def added_by(tx: Transaction, signer: UserId, keys: Mapping[UserId, UserKeys]) -> dict[UserId, UserKeys]:
    """The keys of users elsewhere with the signatures that somebody here has added to them."""
    numbers = {interning.find_user(tx, user_id): user_id for user_id in keys}
    names = {nid: user_id for nid, user_id in numbers.items() if nid is not None}
    signatures = _signatures(tx, names, signer) if names else {}
    for (user_id, key_name), added in signatures.items():
        for usage, content in keys[user_id].keys.items():
            if key_name in content.get("keys", {}).values():
                keys[user_id].keys[usage] = with_signatures(content, added)
    return dict(keys)


def forget_signatures(tx: Transaction, user: UserNid, key_name: str) -> None:
    """Forgets what was signed of a key, which has changed or is gone."""
    sql = "DELETE FROM key_signatures WHERE user_nid = :user AND key_name = :key_name"
    tx.run(sql, user=user, key_name=key_name)


def delete(tx: Transaction, devices: Sequence[DeviceNid]) -> None:
    """Deletes all keys of devices that are about to be deleted, and their signatures."""
    named = tx.rows("SELECT user_nid, device_id FROM devices WHERE nid = ANY(:devices)", devices=devices)
    for user, device_id in named:
        forget_signatures(tx, user, device_id)
    tx.run("DELETE FROM device_keys WHERE device = ANY(:devices)", devices=devices)
    tx.run("DELETE FROM one_time_keys WHERE device = ANY(:devices)", devices=devices)
    tx.run("DELETE FROM fallback_keys WHERE device = ANY(:devices)", devices=devices)


def _signatures(
    tx: Transaction, users: Mapping[UserNid, UserId], reader: UserId | None
) -> dict[tuple[UserId, str], list[Signature]]:
    """What was added to the keys of users by themselves, or by the reader: by user and name of the key."""
    sql = """
        SELECT user_nid, key_name, signer, signer_key, signature FROM key_signatures
        WHERE user_nid = ANY(:users) AND (signer = user_nid OR signer = :reader)
    """
    number = None if reader is None else interning.find_user(tx, reader)
    rows = tx.rows(sql, users=list(users), reader=number or 0)
    found: dict[tuple[UserId, str], list[Signature]] = {}
    for user, key_name, signer, signer_key, signature in rows:
        by = reader if reader is not None and signer == number else users[user]
        added = Signature(users[user], key_name, by, signer_key, signature)
        found.setdefault((users[user], key_name), []).append(added)
    return found
