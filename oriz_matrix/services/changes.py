"""The one reader of recent changes: who waits for something hears of it here, and only here.

On a local commit, or each second, it reads the settled position and the changes up to there, appends them to a bounded
ring and wakes the channels that they touch. Because rows are read and not told, a lost wake-up costs a second and never
an event. Who waits registers first, then reads, then waits.
"""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.storage import positions, recent
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.recent import DEVICE_LIST, PERSONAL_KINDS, Change
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid

Channel = tuple[str, int]

EVERY_SECONDS = 1.0
RING = 20_000  # changes kept

log = structlog.get_logger()


def room_channel(room: RoomNid) -> Channel:
    """What happens in a room."""
    return ("room", room)


def user_channel(user: UserNid) -> Channel:
    """What concerns one user: memberships, account data, push rules, private receipts."""
    return ("user", user)


def devices_channel(user: UserNid) -> Channel:
    """What concerns the devices of a user: messages to them, and their keys that others take."""
    return ("devices", user)


class Waiter:
    """Somebody who waits for any of several channels."""

    def __init__(self, forget: Callable[["Waiter"], None], channels: frozenset[Channel]) -> None:
        self.channels = channels
        self._forget = forget
        self._woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Something changed on one of the channels, or the server stops."""
        self._over(True)

    async def wait(self, seconds: float) -> bool:
        """Whether something changed within that time; may be used once."""
        end = asyncio.get_running_loop().call_later(seconds, self._over, False)
        try:
            return await self._woken
        finally:
            end.cancel()

    def _over(self, woken: bool) -> None:
        if not self._woken.done():
            self._woken.set_result(woken)

    def __enter__(self) -> "Waiter":
        return self

    def __exit__(self, *_: object) -> None:
        self._forget(self)


class Changes:
    """The reader. `settled` is the position up to which everything is known here; it never goes back."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._read_at = clock.monotonic()
        self.settled = Position(0)
        self._ring: list[Change] = []
        self._skipped: list[tuple[Position, Position]] = []
        self._start = Position(0)  # the ring holds everything after this
        self._last: dict[Channel, Position] = {}
        self._waiters: defaultdict[Channel, set[Waiter]] = defaultdict(set)
        self._registered: set[Waiter] = set()
        self._listeners: list[Callable[[Change], None]] = []
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._read_writes = -1  # how many writes were over when the last read began
        self._loop_task: asyncio.Task[None] | None = None
        self.stopping = False

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Calls `listener` with every change, in order; for what a process keeps in memory for seconds."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begins at the present settled position."""
        self._start, self._skipped = await self._db.read_settled(_beginning)
        self.settled = self._start
        self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Wakes everybody who waits; they answer with what they have."""
        self.stopping = True
        for waiter in list(self._registered):
            waiter.wake()
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)

    def poke(self) -> None:
        """Something was committed here: read soon, if anybody waits."""
        if self._registered:
            self._begin()

    async def catch_up(self) -> Position:
        """The settled position after all finished writes of this process, unless one that began earlier holds it back.

        Writes of other processes may come a second later.
        """
        if self._read_writes != self._db.writes:
            await asyncio.shield(self._begin())
        return self.settled

    def register(self, channels: Iterable[Channel]) -> Waiter:
        """A waiter that is woken by what is read from now on; use as a context manager."""
        waiter = Waiter(self._unregister, frozenset(channels))
        self._registered.add(waiter)
        for channel in waiter.channels:
            self._waiters[channel].add(waiter)
        return waiter

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._registered)

    @property
    def silent_seconds(self) -> float:
        """How long ago recent changes were last read: seconds, a few at most while the database answers."""
        return self._clock.monotonic() - self._read_at

    def between(self, after: Position, upto: Position) -> list[Change] | None:
        """The changes in (after, upto], or None when the ring does not reach back so far."""
        if after < self._start:
            return None
        first = bisect_right(self._ring, after, key=_position)
        return self._ring[first : bisect_right(self._ring, upto, lo=first, key=_position)]

    def is_lost(self, position: Position) -> bool:
        """Whether a token's position comes from a history that was lost (storage.positions)."""
        return any(first <= position < last for first, last in self._skipped)

    def untouched(self, channels: Iterable[Channel], after: Position) -> bool:
        """Whether nothing changed on these channels after a position; False when the ring does not reach back."""
        if after >= self.settled:
            return True
        return after >= self._start and all(self._last.get(channel, 0) <= after for channel in channels)

    def _unregister(self, waiter: Waiter) -> None:
        self._registered.discard(waiter)
        for channel in waiter.channels:
            waiters = self._waiters[channel]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[channel]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            with suppress(StorageError):
                await self._begin()

    def _begin(self) -> asyncio.Task[None]:
        """The next read, which has not begun yet."""
        if self._next is None:
            self._next = asyncio.create_task(self._turn(self._running))
            self._next.add_done_callback(_complain)
        return self._next

    async def _turn(self, before: asyncio.Task[None] | None) -> None:
        """One read. Whoever comes while it runs waits for the next one."""
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        writes = self._db.writes
        settled, changes = await self._db.read_settled(recent.changes, self.settled)
        if any(change.kind == DEVICE_LIST for change in changes):
            changes = await self._db.read(recent.spread, changes)
        self._publish(settled, changes)
        self._read_writes = writes

    def _publish(self, settled: Position, changes: list[Change]) -> None:
        self.settled = max(self.settled, settled)
        self._read_at = self._clock.monotonic()
        woken: set[Waiter] = set()
        for change in changes:
            for listener in self._listeners:
                listener(change)
            for channel in _channels(change):
                self._last[channel] = change.position
                woken |= self._waiters.get(channel, set())
        self._ring += changes
        self._trim()
        for waiter in woken:
            waiter.wake()

    def _trim(self) -> None:
        """Forgets the older half when the ring is full."""
        if len(self._ring) > RING:
            self._start = self._ring[len(self._ring) // 2].position
            self._ring = self._ring[bisect_right(self._ring, self._start, key=_position) :]
            self._last = {channel: position for channel, position in self._last.items() if position > self._start}


def _complain(turn: asyncio.Task[None]) -> None:
    """Logs why a read failed; whoever waits for it hears of it too, and the next one makes up for it."""
    if not turn.cancelled() and (error := turn.exception()) is not None:
        log.warning("cannot read recent changes", error=str(error))


def _beginning(tx: Transaction, settled: Position) -> tuple[Position, list[tuple[Position, Position]]]:
    return settled, positions.skipped(tx)


def _position(change: Change) -> Position:
    return change.position


def _channels(change: Change) -> list[Channel]:
    """Whom a change concerns."""
    if change.kind in PERSONAL_KINDS:
        return [("user", change.user)]
    if change.kind == "membership":
        return [("room", change.room), ("user", change.user)]
    if change.kind == "notice":
        kind, *numbers = change.channel.split(" ")
        return [(kind, int(numbers[0]) if numbers else 0)]
    if change.kind == "to device":
        return [("devices", change.user)]
    if change.kind == DEVICE_LIST and not change.room:
        return [("user", change.user)]
    return [("room", change.room)]
