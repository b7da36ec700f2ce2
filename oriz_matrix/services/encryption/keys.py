"""Keys of devices for clients: uploading one's own, asking for those of others, claiming one-time keys.

Source: client-server API, "Key management API"; traps.md 37.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.encryption import (
    Json,
    Usage,
    check_device_keys,
    check_one_time_key,
    is_same_key,
    split_key_id,
)
from oriz_matrix.protocol.errors import Forbidden, InvalidParam
from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.encryption.answers import KeyAnswers, parse_users, shown_keys
from oriz_matrix.services.encryption.remote import Answers, RemoteKeys
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.storage import device_keys, device_updates, one_time_keys
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.one_time_keys import KeyName
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import DeviceNid

DEFAULT_MS = 10_000
LONGEST_MS = 30_000
NOT_ANSWERED = {"status": 503, "error": "The server did not answer"}


class Upload(NamedTuple):
    """What a device uploads; the keys of the last two by their ids."""

    device_keys: Mapping[str, Any] | None = None
    one_time_keys: Mapping[str, Any] = {}
    fallback_keys: Mapping[str, Any] = {}


class Keys:
    """The keys of devices."""

    def __init__(
        self, db: Database, changes: Changes, outgoing: Outgoing, answers: KeyAnswers, remote: RemoteKeys, clock: Clock
    ) -> None:
        self._db = db
        self._changes = changes
        self._outgoing = outgoing
        self._answers = answers
        self._remote = remote
        self._clock = clock

    async def upload(self, requester: Requester, upload: Upload) -> dict[str, int]:
        """Publishes keys of the requester's device; how many one-time keys are there then, by algorithm.

        Raises InvalidParam for keys that are not what they should be, and for a one-time key whose id stands for
        another one.
        """
        if requester.device is None or requester.device_id is None:
            raise InvalidParam("This access token has no device that could have keys")
        if upload.device_keys is not None:
            check_device_keys(upload.device_keys, requester.user_id, requester.device_id)
        once, fallback = _read(upload.one_time_keys, "one_time_keys"), _read(upload.fallback_keys, "fallback_keys")
        if len({key.algorithm for key in fallback}) < len(fallback):
            raise InvalidParam("fallback_keys: at most one key of each algorithm")
        work = _Uploading(requester, requester.device, upload.device_keys, once, fallback)
        counts, servers = await self._db.write(_upload, work, self._clock.now_ms())
        self._changes.poke()
        self._outgoing.servers(servers)
        return counts

    async def query(self, requester: Requester, wanted: Mapping[str, Sequence[str]], timeout_ms: int | None) -> Json:
        """Keys of users of here and elsewhere, each with all devices or those that are named."""
        users = parse_users(wanted, "device_keys")
        ours, theirs = self._parted(users)
        found = await self._answers.keys(ours, requester.user_id)
        answers = await self._remote.query(theirs, _seconds(timeout_ms)) if theirs else Answers({}, set())
        if answers.found:
            found |= await self._db.read(device_keys.added_by, requester.user_id, answers.found)
        return {**shown_keys(found, users, set(Usage)), "failures": _failures(answers)}

    async def claim(self, wanted: Mapping[str, Mapping[str, str]], timeout_ms: int | None) -> Json:
        """A one-time or fallback key of each device that is named with an algorithm, of those that have one."""
        users = parse_users(wanted, "one_time_keys")
        ours, theirs = self._parted(users)
        found = await self._answers.take(ours)
        answers = await self._remote.claim(theirs, _seconds(timeout_ms)) if theirs else Answers({}, set())
        return {"one_time_keys": found | answers.found, "failures": _failures(answers)}

    def _parted(self, users: Mapping[UserId, Any]) -> tuple[dict[UserId, Any], dict[UserId, Any]]:
        """This server's users, and those of others."""
        here = self._answers.server_name
        ours = {user_id: each for user_id, each in users.items() if domain_of(user_id) == here}
        return ours, {user_id: each for user_id, each in users.items() if user_id not in ours}


class _Uploading(NamedTuple):
    requester: Requester
    device: DeviceNid
    device_keys: Mapping[str, Any] | None
    one_time: Mapping[KeyName, bytes]
    fallback: Mapping[KeyName, bytes]


def _upload(tx: Transaction, work: _Uploading, now_ms: int) -> tuple[dict[str, int], list[ServerName]]:
    """How many one-time keys there are now, and the servers that are told of other identity keys."""
    device, user = work.device, work.requester.user
    if work.one_time:
        fresh = _fresh(one_time_keys.known(tx, device, list(work.one_time)), work.one_time)
        one_time_keys.add(tx, device, fresh, now_ms)
    one_time_keys.put_fallback(tx, device, work.fallback)
    servers = [] if work.device_keys is None else _put_device_keys(tx, work, work.device_keys)
    counts = one_time_keys.counts(tx, device)
    if work.one_time or work.fallback:
        one_time_keys.tell(tx, user, [device])
    return counts, servers


def _put_device_keys(tx: Transaction, work: _Uploading, keys: Mapping[str, Any]) -> list[ServerName]:
    user, device_id = work.requester.user, work.requester.device_id
    assert device_id is not None
    device_keys.lock(tx, work.device)
    before = device_keys.get(tx, work.device)
    if before is not None and before == keys:
        return []
    if any(key.text == device_id for key in device_keys.cross_signing(tx, [user]).get(user, {}).values()):
        raise Forbidden("device_keys.device_id: a cross-signing key has this name")
    if before is not None and not is_same_key(before, keys):
        device_keys.forget_signatures(tx, user, device_id)
    device_keys.put(tx, work.device, keys)
    return device_updates.announce(tx, user, [device_id])


def _fresh(known: Mapping[KeyName, tuple[bytes, bool]], keys: Mapping[KeyName, bytes]) -> dict[KeyName, bytes]:
    """The keys that are not there, and were not. Raises InvalidParam for another key under an id that is there."""
    fresh = {}
    for name, body in keys.items():
        before, is_taken = known.get(name, (None, True))
        if before == body:
            continue
        if not is_taken:
            raise InvalidParam(f"one_time_keys: {name.algorithm}:{name.name} stands for another key already")
        fresh[name] = body
    return fresh


def _read(keys: Mapping[str, Any], place: str) -> dict[KeyName, bytes]:
    """Keys by both parts of their ids, each as JSON that is the same for the same key."""
    found = {}
    for key_id, key in keys.items():
        check_one_time_key(key, f"{place}.{key_id[:100]}")
        found[KeyName(*split_key_id(key_id, place))] = msgspec.json.encode(key, order="sorted")
    return found


def _seconds(timeout_ms: int | None) -> float:
    return min(max(DEFAULT_MS if timeout_ms is None else timeout_ms, 0), LONGEST_MS) / 1000


def _failures(answers: Answers) -> Json:
    return dict.fromkeys(sorted(answers.failures), NOT_ANSWERED)
