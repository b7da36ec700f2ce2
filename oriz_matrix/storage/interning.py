"""Interning: users and state keys as numbers. A name never changes its number, so what was seen once holds for ever."""

from collections.abc import Collection, Iterable, Sequence

from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import StateKeyNid, UserNid


def find_user(tx: Transaction, user_id: UserId) -> UserNid | None:
    """The number of a user, if anything was ever stored about them."""
    if (nid := tx.caches.user_nids.get(user_id)) is not None:
        return nid
    found = tx.value("SELECT nid FROM users WHERE user_id = :user_id", user_id=user_id)
    if found is None:
        return None
    _learn_user(tx, UserNid(found), user_id)
    return UserNid(found)


def user(tx: Transaction, user_id: UserId) -> UserNid:
    """The number of a user, given out now if they have none. Needs a write transaction in that case."""
    nid = find_user(tx, user_id)
    if nid is None:
        sql = """
            INSERT INTO users (user_id) VALUES (:user_id)
            ON CONFLICT (user_id) DO UPDATE SET user_id = EXCLUDED.user_id RETURNING nid
        """
        nid = UserNid(tx.value(sql, user_id=user_id))
        _learn_user(tx, nid, user_id)
    return nid


def users(tx: Transaction, user_ids: Collection[UserId]) -> dict[UserId, UserNid]:
    """The numbers of many users, given out now to those who have none."""
    found = _find_users(tx, user_ids)
    if new := sorted(set(user_ids) - found.keys()):
        tx.many("INSERT INTO users (user_id) VALUES (:user_id) ON CONFLICT DO NOTHING", [{"user_id": i} for i in new])
        found |= _find_users(tx, new)
    return found


def _find_users(tx: Transaction, user_ids: Collection[UserId]) -> dict[UserId, UserNid]:
    found = {i: nid for i in user_ids if (nid := tx.caches.user_nids.get(i)) is not None}
    unknown = [i for i in user_ids if i not in found]
    if unknown:
        for user_id, nid in tx.rows("SELECT user_id, nid FROM users WHERE user_id = ANY(:ids)", ids=unknown):
            found[user_id] = nid
            _learn_user(tx, nid, user_id)
    return found


def user_ids(tx: Transaction, nids: Iterable[UserNid]) -> dict[UserNid, UserId]:
    """The names behind numbers."""
    found: dict[UserNid, UserId] = {}
    unknown = []
    for nid in nids:
        if (name := tx.caches.user_ids.get(nid)) is not None:
            found[nid] = UserId(name)
        else:
            unknown.append(nid)
    if unknown:
        for nid, name in tx.rows("SELECT nid, user_id FROM users WHERE nid = ANY(:nids)", nids=unknown):
            found[nid] = name
            _learn_user(tx, nid, name)
    return found


def find_state_keys(tx: Transaction, keys: Sequence[StateKey]) -> dict[StateKey, StateKeyNid]:
    """The numbers of those state keys that have one."""
    found: dict[StateKey, StateKeyNid] = {}
    unknown: dict[str, list[str]] = {}
    for key in keys:
        if (nid := tx.caches.state_key_nids.get(key)) is not None:
            found[key] = nid
        else:
            unknown.setdefault(key[0], []).append(key[1])
    for kind, names in unknown.items():
        sql = "SELECT state_key, nid FROM state_keys WHERE type = :type AND state_key = ANY(:names)"
        for name, nid in tx.rows(sql, type=kind, names=names):
            found[kind, name] = nid
            _learn_state_key(tx, nid, (kind, name))
    return found


def state_key(tx: Transaction, key: StateKey) -> StateKeyNid:
    """The number of a state key, given out now if it has none. Whoever writes one has read it before, so that one that
    is not in memory is new: it is not looked for first."""
    if (known := tx.caches.state_key_nids.get(key)) is not None:
        return known
    sql = """
        INSERT INTO state_keys (type, state_key) VALUES (:type, :state_key)
        ON CONFLICT (type, state_key) DO NOTHING RETURNING nid
    """
    new = tx.value(sql, type=key[0], state_key=key[1])
    if new is None:
        return find_state_keys(tx, [key])[key]
    _learn_state_key(tx, StateKeyNid(new), key)
    return StateKeyNid(new)


def many_state_keys(tx: Transaction, keys: Collection[StateKey]) -> dict[StateKey, StateKeyNid]:
    """The numbers of many state keys, given out now to those that have none."""
    found = find_state_keys(tx, list(keys))
    if new := sorted(set(keys) - found.keys()):
        sql = "INSERT INTO state_keys (type, state_key) VALUES (:type, :state_key) ON CONFLICT DO NOTHING"
        tx.many(sql, [{"type": kind, "state_key": name} for kind, name in new])
        found |= find_state_keys(tx, new)
    return found


def state_keys(tx: Transaction, nids: Iterable[StateKeyNid]) -> dict[StateKeyNid, StateKey]:
    """The state keys behind numbers."""
    found: dict[StateKeyNid, StateKey] = {}
    unknown = []
    for nid in nids:
        if (key := tx.caches.state_keys.get(nid)) is not None:
            found[nid] = key
        else:
            unknown.append(nid)
    if unknown:
        for nid, kind, name in tx.rows(
            "SELECT nid, type, state_key FROM state_keys WHERE nid = ANY(:nids)", nids=unknown
        ):
            found[nid] = (kind, name)
            _learn_state_key(tx, nid, (kind, name))
    return found


def _learn_user(tx: Transaction, nid: UserNid, user_id: str) -> None:
    def publish() -> None:
        tx.caches.user_nids.put(user_id, nid)
        tx.caches.user_ids.put(nid, user_id)

    tx.after_commit(publish)


def _learn_state_key(tx: Transaction, nid: StateKeyNid, key: StateKey) -> None:
    def publish() -> None:
        tx.caches.state_key_nids.put(key, nid)
        tx.caches.state_keys.put(nid, key)

    tx.after_commit(publish)
