"""Typing notices: who types, until they stop or their time is over. Client-server API, "Typing Notifications"."""

import asyncio
from typing import Any

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.storage import accounts, interning, membership, outbox, rooms, servers, typing
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.outbox import Edu
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

DEFAULT_MS = 30_000
LONGEST_MS = 120_000

log = structlog.get_logger()


class TypingNotices:
    """Takes typing notices of local users, and ends them in time."""

    def __init__(self, db: Database, changes: Changes, outgoing: Outgoing, clock: Clock) -> None:
        self._db = db
        self._outgoing = outgoing
        self._changes = changes
        self._clock = clock
        self._began = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to watch for notices whose time is over."""
        self._task = asyncio.create_task(self._expire())

    async def stop(self) -> None:
        """Ends the watch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def put(self, requester: Requester, room_id: RoomId, timeout_ms: int | None) -> None:
        """The user types for that long, or (None) no longer. Raises Forbidden for who is not in the room."""
        now_ms = self._clock.now_ms()
        expires_at = 0 if timeout_ms is None else now_ms + min(max(timeout_ms, 0), LONGEST_MS)
        told = await self._db.write(_put, requester, room_id, expires_at, now_ms)
        if told is not None:
            self._changes.poke()
            self._outgoing.servers(told)
            self._began.set()

    def look_again(self) -> None:
        """Somebody else has noted who types: the first to end may be another."""
        self._began.set()

    async def _expire(self) -> None:
        """Ends each notice at its time."""
        while True:
            self._began.clear()
            try:
                expiry = await self._db.read(typing.next_expiry)
                await self._sleep_until(expiry)
                now_ms = self._clock.now_ms()
                if expiry is not None and expiry <= now_ms:
                    told = await self._db.write(_expire, now_ms)
                    self._changes.poke()
                    self._outgoing.servers(told)
            except StorageError as error:
                log.warning("cannot end typing notices", error=str(error))
                await self._clock.sleep(1)

    async def _sleep_until(self, expiry: int | None) -> None:
        """Sleeps until a moment, or until somebody begins to type, whose notice may end sooner."""
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(self._began.wait())]
        if expiry is not None:
            seconds = max(expiry - self._clock.now_ms(), 0) / 1000 + 0.001
            waiting.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


def _put(
    tx: Transaction, requester: Requester, room_id: RoomId, expires_at: int, now_ms: int
) -> list[ServerName] | None:
    """The other servers that are told; None where nothing is new."""
    name = rooms.find(tx, room_id)
    user = interning.user(tx, requester.user_id)
    now = membership.now(tx, user, name.nid) if name is not None else None
    if name is None or now is None or now.membership != "join":
        raise Forbidden("You are not in this room")
    if not typing.put(tx, name.nid, user, expires_at, now_ms):
        return None
    return _tell(tx, name.nid, requester.user_id, types=expires_at > now_ms)


def _expire(tx: Transaction, now_ms: int) -> list[ServerName]:
    """Ends the notices whose time is over; the other servers that are told."""
    told: list[ServerName] = []
    stopped = typing.expire(tx, now_ms)
    local = accounts.local_among(tx, [user for _, user in stopped]) if stopped else {}
    for room, user in stopped:
        if user in local:
            told += _tell(tx, room, local[user], types=False)
    return told


def _tell(tx: Transaction, room: RoomNid, user_id: UserId, *, types: bool) -> list[ServerName]:
    told = servers.in_room(tx, room)
    content = {"room_id": rooms.name(tx, room).room_id, "user_id": user_id, "typing": types}
    if told:
        outbox.add_edus(tx, told, [Edu("m.typing", f"m.typing {room} {user_id}", content)])
    return told
