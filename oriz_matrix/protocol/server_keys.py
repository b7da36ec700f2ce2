"""The keys that a server publishes: their shape, their signatures, and until when each is good.

A key has two clocks (traps.md 10): whether it is published now decides on requests, when it was good decides on events.
Source: server-server API, "Retrieving server keys".
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.signing import ALGORITHM, SigningKey, VerifyKey, sign_json, verify_json

LONGEST_VALIDITY_MS = 7 * 24 * 3600 * 1000
"""No key is believed for longer than a week after it was seen, so that a stolen one cannot be made to last."""

MAX_KEYS = 200
"""More than any server ever had; each costs a row."""

_KEY_ID = re.compile(rf"{ALGORITHM}:[a-zA-Z0-9_]{{1,200}}", re.ASCII)


class ServerKey(NamedTuple):
    """A public key of a server.

    valid_until: in milliseconds, up to when it may have signed; of a key that is not used any more, when that ended.
    current: whether requests may be signed with it.
    """

    key: VerifyKey
    valid_until: int
    current: bool

    def signs_requests(self, now_ms: int) -> bool:
        """Whether a request that arrives now may be signed with it."""
        return self.current and self.valid_until >= now_ms

    def signs_events(self, made_ms: int) -> bool:
        """Whether an event of this `origin_server_ts` may be; for room versions from 5 on."""
        return self.valid_until >= made_ms


class PublishedKeys(NamedTuple):
    """What a server published: by key id; `signed` is the whole object with its signatures."""

    server_name: ServerName
    keys: dict[str, ServerKey]
    valid_until: int
    signed: dict[str, Any]


def parse_published(content: object, server_name: ServerName, now_ms: int) -> PublishedKeys:
    """The keys in an answer, which the server itself must have signed by one of those it uses.

    Keys of unknown algorithms are passed over. Raises ValueError, which says what is wrong.
    """
    if not isinstance(content, dict) or content.get("server_name") != server_name:
        raise ValueError(f"these are no keys of {server_name}")
    valid_until = min(_moment(content.get("valid_until_ts")), now_ms + LONGEST_VALIDITY_MS)
    current = {
        key_id: ServerKey(_key(entry), valid_until, current=True)
        for key_id, entry in _entries(content.get("verify_keys"))
    }
    old = {
        key_id: ServerKey(_key(entry), min(_moment(entry.get("expired_ts")), now_ms), current=False)
        for key_id, entry in _entries(content.get("old_verify_keys", {}))
    }
    if not verify_json(content, server_name, lambda _, key_id: current[key_id].key if key_id in current else None):
        raise ValueError(f"the keys of {server_name} are not signed by one of themselves")
    return PublishedKeys(server_name, {**old, **current}, valid_until, content)


def publish(
    server_name: ServerName, key: SigningKey, old: Mapping[str, tuple[VerifyKey, int]], valid_until: int
) -> dict[str, Any]:
    """What a server with this key publishes; `old` are the keys it used before, and when it ended (milliseconds)."""
    content = {
        "server_name": server_name,
        "verify_keys": {key.key_id: {"key": key.verify_key.to_base64()}},
        "old_verify_keys": {
            key_id: {"key": past.to_base64(), "expired_ts": expired_ts} for key_id, (past, expired_ts) in old.items()
        },
        "valid_until_ts": valid_until,
    }
    return sign_json(content, server_name, key)


def _entries(section: object) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(section, dict) or len(section) > MAX_KEYS:
        raise ValueError("verify_keys or old_verify_keys is no object, or too large")
    chosen = [(key_id, entry) for key_id, entry in section.items() if _KEY_ID.fullmatch(key_id)]
    if not all(isinstance(entry, dict) for _, entry in chosen):
        raise ValueError("a key is no object")
    return chosen


def _key(entry: Mapping[str, Any]) -> VerifyKey:
    return VerifyKey.from_base64(str(entry.get("key")))


def _moment(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("valid_until_ts or expired_ts is no moment")
    return value
