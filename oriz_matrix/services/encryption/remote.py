"""The devices and keys of users elsewhere: remembered while changes are told to this server, else asked for.

Source: server-server API, "Device Management", "End-to-End Encryption"; traps.md 32.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import structlog
from cachetools import TTLCache

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.shared_calls import SharedCalls
from oriz_matrix.net.errors import BadAnswer, Denied, Refused, RemoteFailed, Unreachable
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest, uri
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.encryption import Json, UserKeys
from oriz_matrix.protocol.errors import BadJson
from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of
from oriz_matrix.protocol.remote_keys import read_claimed, read_keys_answer, read_user_devices
from oriz_matrix.storage import device_lists, interning, remote_devices
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.device_lists import DeviceList
from oriz_matrix.storage.remote_devices import Known
from oriz_matrix.storage.transaction import Transaction

T = TypeVar("T")

USER = "/_matrix/federation/v1/user"
SECONDS = 10.0
"""How long another server may take for one answer."""
AT_ONCE = 50
SINGLY = 20
"""So many users of a server are asked for one by one, which tells with which update an answer ends; more together."""
LARGEST_LIST = 4 * 1024 * 1024
SILENT_SECONDS = 30.0

log = structlog.get_logger()


class Answers(NamedTuple):
    """What others have answered, and the servers that have not."""

    found: dict[Any, Any]
    failures: set[ServerName]


class RemoteKeys:
    """Asks other servers for keys of their users."""

    def __init__(self, db: Database, federation: Federation | None, clock: Clock) -> None:
        """`federation` is None where this server talks with no other: then nobody answers."""
        self._db = db
        self._federation = federation
        self._asked: SharedCalls[tuple[UserId, int | None], UserKeys | None] = SharedCalls()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._silent: TTLCache[ServerName, bool] = TTLCache(10_000, SILENT_SECONDS, timer=clock.monotonic)

    async def query(self, users: Collection[UserId], seconds: float) -> Answers:
        """The keys of users, of those who are not known those that their servers tell within a time.

        Of users whose server does not answer there is what was known last, if there is anything.
        """
        known = await self._db.read(remote_devices.known, users)
        found = {user_id: one.keys for user_id, one in known.items() if one.keys is not None and one.is_shared}
        missing = _by_server(user_id for user_id, one in known.items() if not one.is_current)
        calls = {
            server: self._ask_for(server, {user_id: known[user_id] for user_id in theirs})
            for server, theirs in missing.items()
        }
        answers = await self._gather(calls, seconds)
        return Answers(found | answers.found, answers.failures)

    async def claim(self, wanted: Mapping[UserId, Mapping[Any, str]], seconds: float) -> Answers:
        """One-time keys of devices of others' users."""
        calls = {
            server: self._claim(server, {user_id: wanted[user_id] for user_id in theirs})
            for server, theirs in _by_server(wanted).items()
        }
        return await self._gather(calls, seconds)

    async def refresh(self, server: ServerName, users: Collection[UserId]) -> None:
        """Asks a server for the devices of users, and remembers them. Raises RemoteFailed."""
        known = await self._db.read(remote_devices.known, users)
        self._silent.pop(server, None)
        try:
            await self._ask_for(server, known)
        except Denied:
            await self._db.write(_forget, users)

    async def _gather(self, calls: Mapping[ServerName, Awaitable[Mapping[Any, Any]]], seconds: float) -> Answers:
        """What comes within the time."""
        tasks = {server: asyncio.ensure_future(call) for server, call in calls.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=seconds)
        answers = Answers({}, set())
        for server, task in tasks.items():
            if not task.done():
                task.cancel()
                answers.failures.add(server)
            elif isinstance(error := task.exception(), RemoteFailed):
                log.info("a server does not tell keys", server=server, reason=str(error))
                answers.failures.add(server)
            else:
                answers.found.update(task.result())
        return answers

    async def _ask_for(self, server: ServerName, users: Mapping[UserId, Known]) -> dict[UserId, UserKeys]:
        shared = [user_id for user_id, one in users.items() if one.is_shared]
        singly = shared if len(shared) <= SINGLY else []
        together = {user_id: one for user_id, one in users.items() if user_id not in singly}
        lists = [self._user_devices(server, user_id, users[user_id].seen) for user_id in singly]
        rest = [self._keys_query(server, together)] if together else []
        answers = await _all_of([*lists, *rest])
        found = {} if not rest else answers.pop()
        return found | {user_id: keys for user_id, keys in zip(singly, answers, strict=True) if keys is not None}

    async def _user_devices(self, server: ServerName, user_id: UserId, seen: DeviceList) -> UserKeys | None:
        """A user's devices, remembered from now on; None where the server knows no such user."""

        async def ask() -> UserKeys | None:
            try:
                request = PeerRequest(
                    method="GET", uri=uri(f"{USER}/devices", user_id), seconds=SECONDS, limit=LARGEST_LIST
                )
                content = await self._ask(server, request)
            except Refused as error:
                if error.temporary:
                    raise
                await self._db.write(_forget, [user_id])
                return None
            keys, stream_id = _read(lambda: read_user_devices(content, user_id))
            await self._db.write(remote_devices.learn, user_id, seen, keys, stream_id)
            return keys

        return await self._asked.share((user_id, seen.position), ask)

    async def _keys_query(self, server: ServerName, users: Mapping[UserId, Known]) -> dict[UserId, UserKeys]:
        """Keys of many users, remembered where changes will be told; or of some of whom they will not."""
        body: Json = {"device_keys": {user_id: [] for user_id in users}}
        content = await self._post(server, "keys/query", body)
        found = _read(lambda: read_keys_answer(content, users))
        shared = {user_id: users[user_id].seen for user_id in found if users[user_id].is_shared}
        await _all_of(
            self._db.write(remote_devices.learn, user_id, seen, found[user_id], None)
            for user_id, seen in shared.items()
        )
        return found

    async def _claim(self, server: ServerName, wanted: Mapping[UserId, Mapping[Any, str]]) -> Json:
        content = await self._post(server, "keys/claim", {"one_time_keys": wanted})
        return _read(lambda: read_claimed(content, wanted))

    async def _post(self, server: ServerName, path: str, body: Json) -> Json:
        request = PeerRequest(method="POST", uri=f"{USER}/{path}", body=encode(body), seconds=SECONDS)
        return await self._ask(server, request)

    async def _ask(self, server: ServerName, request: PeerRequest) -> Json:
        if self._federation is None:
            raise Denied("this server talks with no other")
        if server in self._silent:
            raise Unreachable(f"{server} did not answer a moment ago")
        async with self._places:
            try:
                return await self._federation.ask(server, request)
            except Unreachable:
                self._silent[server] = True
                raise


def _read(reader: Callable[[], T]) -> T:
    """What was read of an answer; raises BadAnswer for nonsense."""
    try:
        return reader()
    except BadJson as error:
        raise BadAnswer(error.message) from None


async def _all_of(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """All results; where some fail, the first failure, after all have ended."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _forget(tx: Transaction, users: Collection[UserId]) -> None:
    for user_id in sorted(users):
        if (user := interning.find_user(tx, user_id)) is not None:
            device_lists.lock(tx, user)
            device_lists.forget(tx, user)


def _by_server(users: Iterable[UserId]) -> dict[ServerName, list[UserId]]:
    found: dict[ServerName, list[UserId]] = {}
    for user_id in users:
        found.setdefault(domain_of(user_id), []).append(user_id)
    return found
