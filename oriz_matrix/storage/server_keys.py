"""Signing keys: this server's own, past and present, and what others have published.

Source: server-server API, "Retrieving server keys". All moments are milliseconds.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from oriz_matrix.protocol.canonical import decode_strict, encode
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import PublishedKeys, ServerKey
from oriz_matrix.protocol.signing import VerifyKey
from oriz_matrix.storage.errors import KeyReused
from oriz_matrix.storage.transaction import Transaction, single

KeyName = tuple[ServerName, str]
"""A server and one of its key ids."""

MOST_OLDER = 5
"""So many older answers of a server are kept."""


class OwnKey(NamedTuple):
    """A key of this server; `expired_at` is None for the one in use."""

    key: VerifyKey
    expired_at: int | None


class KeyAnswer(NamedTuple):
    """What a server published, and when it was asked."""

    fetched_at: int
    valid_until: int
    content: dict[str, Any]

    @property
    def key_ids(self) -> set[str]:
        """The keys that it holds, in use or expired."""
        parts = (self.content.get(name) for name in ("verify_keys", "old_verify_keys"))
        return {key_id for part in parts if isinstance(part, dict) for key_id in part}


@single
def own(tx: Transaction) -> dict[str, OwnKey]:
    """All keys that this server has ever used, by their ids."""
    rows = tx.rows("SELECT key_id, public_key, expired_at FROM own_keys ORDER BY since")
    return {key_id: OwnKey(VerifyKey(bytes(public)), expired_at) for key_id, public, expired_at in rows}


def use(tx: Transaction, key_id: str, key: VerifyKey, now_ms: int) -> dict[str, OwnKey]:
    """Says which key this server signs with from now on; whatever it used before has expired. All keys as they are now.

    Raises KeyReused where the id stood for another key: servers that know that one would never believe this one.
    """
    tx.lock("own keys")
    known = own(tx)
    held = known.get(key_id)
    if held is not None and bytes(held.key) != bytes(key):
        raise KeyReused(f"this server had another key by the id {key_id}, which must never stand for two")
    if held is not None and held.expired_at is None:
        return known
    tx.run("UPDATE own_keys SET expired_at = :now WHERE expired_at IS NULL", now=now_ms)
    sql = """
        INSERT INTO own_keys (key_id, public_key, since, expired_at) VALUES (:key_id, :key, :now, NULL)
        ON CONFLICT (key_id) DO UPDATE SET expired_at = NULL
    """
    tx.run(sql, key_id=key_id, key=bytes(key), now=now_ms)
    return own(tx)


@single
def get(tx: Transaction, names: Collection[KeyName]) -> dict[KeyName, ServerKey]:
    """Those of the keys that are known."""
    sql = """
        SELECT server, key_id, public_key, valid_until, in_use FROM server_keys
        WHERE server = ANY(:servers) AND key_id = ANY(:key_ids)
    """
    servers, key_ids = {server for server, _ in names}, {key_id for _, key_id in names}
    rows = tx.rows(sql, servers=list(servers), key_ids=list(key_ids))
    found = {(ServerName(server), key_id): _server_key(*rest) for server, key_id, *rest in rows}
    return {name: found[name] for name in names if name in found}


@single
def of_server(tx: Transaction, server: ServerName) -> dict[str, ServerKey]:
    """All known keys of a server by their ids."""
    sql = "SELECT key_id, public_key, valid_until, in_use FROM server_keys WHERE server = :server"
    return {key_id: _server_key(*rest) for key_id, *rest in tx.rows(sql, server=server)}


def put(tx: Transaction, published: PublishedKeys, now_ms: int) -> None:
    """Keeps what a server itself has just published, in place of all that was known of it.

    A key that it does not publish any more may have signed what was made before now, and nothing else.
    """
    tx.lock(f"server keys {published.server_name}")
    sql = """
        UPDATE server_keys
        SET in_use = FALSE, valid_until = CASE WHEN valid_until > :now THEN :now ELSE valid_until END
        WHERE server = :server AND in_use
    """
    tx.run(sql, server=published.server_name, now=now_ms)
    sql = """
        INSERT INTO server_keys (server, key_id, public_key, valid_until, in_use)
        VALUES (:server, :key_id, :key, :valid_until, :in_use)
        ON CONFLICT (server, key_id) DO UPDATE SET
            public_key = EXCLUDED.public_key, valid_until = EXCLUDED.valid_until, in_use = EXCLUDED.in_use
    """
    tx.many(sql, sorted(_rows(published), key=_name))
    _keep_older(tx, published)
    sql = """
        INSERT INTO key_answers (server, fetched_at, valid_until, body) VALUES (:server, :now, :valid_until, :body)
        ON CONFLICT (server) DO UPDATE SET
            fetched_at = EXCLUDED.fetched_at, valid_until = EXCLUDED.valid_until, body = EXCLUDED.body
    """
    tx.run(
        sql,
        server=published.server_name,
        now=now_ms,
        valid_until=published.valid_until,
        body=encode(published.signed),
    )


def put_hearsay(tx: Transaction, published: Iterable[PublishedKeys]) -> None:
    """Keeps what a notary says of servers: keys that are new, and longer validity of keys that are in use.

    It may be old, so it never brings back a key that the server itself has given up.
    """
    sql = """
        INSERT INTO server_keys (server, key_id, public_key, valid_until, in_use)
        VALUES (:server, :key_id, :key, :valid_until, :in_use)
        ON CONFLICT (server, key_id) DO UPDATE SET valid_until = EXCLUDED.valid_until, in_use = EXCLUDED.in_use
        WHERE server_keys.in_use AND server_keys.public_key = EXCLUDED.public_key
            AND server_keys.valid_until < EXCLUDED.valid_until
    """
    tx.many(sql, sorted((row for each in published for row in _rows(each)), key=_name))


@single
def answers(tx: Transaction, servers: Collection[ServerName]) -> dict[ServerName, list[KeyAnswer]]:
    """What these servers published, as far as it is known: what they did last, then older answers, newest first."""
    sql = """
        SELECT server, fetched_at, valid_until, body, 0 AS is_older FROM key_answers WHERE server = ANY(:servers)
        UNION ALL
        SELECT server, fetched_at, valid_until, body, 1 FROM older_key_answers WHERE server = ANY(:servers)
        ORDER BY is_older, fetched_at DESC
    """
    found: dict[ServerName, list[KeyAnswer]] = {}
    for server, fetched_at, valid_until, body, _ in tx.rows(sql, servers=list(servers)):
        answer = KeyAnswer(fetched_at, valid_until, decode_strict(bytes(body)))
        found.setdefault(ServerName(server), []).append(answer)
    return found


def _keep_older(tx: Transaction, published: PublishedKeys) -> None:
    """Keeps what a server published last where it has now dropped a key; the newest few of such answers."""
    server = published.server_name
    known = answers(tx, [server]).get(server, [])
    if not known or known[0].key_ids <= published.keys.keys():
        return
    sql = """
        INSERT INTO older_key_answers (server, fetched_at, valid_until, body)
        SELECT server, fetched_at, valid_until, body FROM key_answers WHERE server = :server
        ON CONFLICT (server, fetched_at) DO UPDATE SET valid_until = EXCLUDED.valid_until, body = EXCLUDED.body
    """
    tx.run(sql, server=server)
    if len(known) > MOST_OLDER:
        sql = "DELETE FROM older_key_answers WHERE server = :server AND fetched_at <= :oldest"
        tx.run(sql, server=server, oldest=known[MOST_OLDER].fetched_at)


def _rows(published: PublishedKeys) -> list[dict[str, Any]]:
    return [
        {
            "server": published.server_name,
            "key_id": key_id,
            "key": bytes(key.key),
            "valid_until": key.valid_until,
            "in_use": key.current,
        }
        for key_id, key in published.keys.items()
    ]


def _name(row: Mapping[str, Any]) -> KeyName:
    """The order in which rows are written, so that no two writers wait for each other."""
    return row["server"], row["key_id"]


def _server_key(public_key: Any, valid_until: int, in_use: Any) -> ServerKey:
    return ServerKey(VerifyKey(bytes(public_key)), valid_until, current=bool(in_use))
