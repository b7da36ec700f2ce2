"""Typing notices: who types, until they stop or their time is over. Client-server API, "Typing Notifications"."""

import asyncio

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.storage import interning, membership, rooms, typing
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.transaction import Transaction

DEFAULT_MS = 30_000
LONGEST_MS = 120_000

log = structlog.get_logger()


class TypingNotices:
    """Takes typing notices of local users, and ends them in time."""

    def __init__(self, db: Database, changes: Changes, clock: Clock) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._began = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to watch for notices whose time is over."""
        self._began.set()
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
        if await self._db.write(_put, requester, room_id, expires_at, now_ms):
            self._changes.poke()
            self._began.set()

    async def _expire(self) -> None:
        """Sleeps until the next notice ends, or until somebody begins to type."""
        while True:
            await self._began.wait()
            self._began.clear()
            try:
                while (expiry := await self._db.read(typing.next_expiry)) is not None:
                    await self._clock.sleep(max(expiry - self._clock.now_ms(), 0) / 1000 + 0.001)
                    if await self._db.write(typing.expire, self._clock.now_ms()):
                        self._changes.poke()
            except StorageError as error:
                log.warning("cannot end typing notices", error=str(error))
                self._began.set()
                await self._clock.sleep(1)


def _put(tx: Transaction, requester: Requester, room_id: RoomId, expires_at: int, now_ms: int) -> bool:
    name = rooms.find(tx, room_id)
    user = interning.user(tx, requester.user_id)
    now = membership.now(tx, user, name.nid) if name is not None else None
    if name is None or now is None or now.membership != "join":
        raise Forbidden("You are not in this room")
    return typing.put(tx, name.nid, user, expires_at, now_ms)
