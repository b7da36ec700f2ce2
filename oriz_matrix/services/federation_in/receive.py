"""Takes the events that wait into their rooms, one after the other in each room.

Most go on where the room ends, and are appended many at a time; the others find their place one by one (`settle`).
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.protocol.canonical import decode_strict
from oriz_matrix.protocol.errors import Forbidden, MatrixError
from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.services.federation_in import whole
from oriz_matrix.services.federation_in.entering import Entering
from oriz_matrix.services.federation_in.judge import Simple, simple
from oriz_matrix.services.federation_in.missing import Unfound
from oriz_matrix.services.federation_in.settle import Count, Reach, Settle, Source, finish, require_accepted
from oriz_matrix.services.rooms import threads, unread
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.follow_ups import follow_up
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import append, arrivals, incoming, interning, membership, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate, RoomMoved, StorageError
from oriz_matrix.storage.incoming import Waiting
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

TOGETHER = 50
ROOMS_AT_ONCE = 20
FIRST_PAUSE_S = 3.0
LONGEST_PAUSE_S = 600.0
GIVE_UP_MS = 24 * 3600 * 1000
PATIENCE_S = 1.0
"""How long the other events of a room wait for one whose past must be fetched."""
MOST_SLOW = 10
MOST_LATE = 100
"""So many events of a room may wait for what cannot be had now; of more, the newest are given up at once."""

MANY_ENDS = 10
GLUE = "org.matrix.dummy_event"
"""The type that other servers use for such events, and clients pass over."""
CROWD = 500
"""Above so many events that wait in a room those who send more are answered late: up to half a minute."""
CROWDED_PAUSE_S = 0.5
CROWDED_TRIES = 60

log = structlog.get_logger()


class _Worker(NamedTuple):
    """Who takes the events of a room; `woken` when there are more, `came`: those that have just come, again perhaps."""

    task: asyncio.Task[None]
    woken: asyncio.Event
    came: set[EventId]


class _Late(NamedTuple):
    """How often something was tried, when it is tried again (monotonic seconds), and the events that it waits for: once
    they have all come, it is tried again at once."""

    attempts: int
    due: float
    after: Collection[EventId] = ()


class _Slow(NamedTuple):
    """An event whose past is just being fetched; the task tells whether it is done with."""

    event: Event
    task: asyncio.Task[bool]


class _Rest(NamedTuple):
    """What is left in a room: events that are late, and those whose past is just being fetched; `woken` when one of
    them is done."""

    late: dict[EventId, _Late]
    slow: dict[EventId, _Slow]
    woken: asyncio.Event


Taken = Callable[[Transaction], None]
"""Writes down that events have come."""


def nothing(_tx: Transaction) -> None:
    """That is written already."""


class Receive:
    """Works through what waits, in every process; an event that two of them take is appended by one."""

    def __init__(
        self, db: Database, append: Append, settle: Settle, entering: Entering, clock: Clock, count: Count
    ) -> None:
        self._db = db
        self._append = append
        self._settle = settle
        self._entering = entering
        self._clock = clock
        self._here = append.here
        self._count = count
        self._working: dict[RoomId, _Worker] = {}
        self._places = asyncio.Semaphore(ROOMS_AT_ONCE)
        self._stopping = False

    async def start(self) -> None:
        """Goes on with what waited when the server stopped."""
        for room_id in await self._db.read(incoming.rooms):
            self.poke(room_id)

    async def stop(self) -> None:
        """Stops; what waits is there at the next start."""
        self._stopping = True
        working = [worker.task for worker in self._working.values()]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    def poke(self, room_id: RoomId, came: Iterable[EventId] = ()) -> None:
        """Events wait in this room. One that came again is judged again at once (traps.md 17)."""
        if (worker := self._working.get(room_id)) is not None:
            worker.came.update(came)
            worker.woken.set()
        elif not self._stopping:
            woken, again = asyncio.Event(), set[EventId]()
            task = asyncio.create_task(self._work(room_id, woken, again))
            self._working[room_id] = _Worker(task, woken, again)
            task.add_done_callback(partial(self._ended, room_id))

    def _ended(self, room_id: RoomId, _task: asyncio.Task[None]) -> None:
        if self._working.pop(room_id).woken.is_set():
            self.poke(room_id)

    async def event(self, name: RoomName, event: Event, source: Source) -> None:
        """Takes one event at once, which another server hands over. Raises Forbidden where it is not accepted."""
        try:
            async with self._append.turn(name.room_id):
                is_in = await self._simply(name, [event], source)
            if not is_in:
                require_accepted(await self._settle.event(name, event, source))
        except Unfound as error:
            raise MatrixError(f"What the event rests on cannot be had: {error}") from None
        if (worker := self._working.get(name.room_id)) is not None:  # others may have waited for this very event
            worker.woken.set()

    async def at_once(self, name: RoomName, new: Sequence[Event], source: Source, taken: Taken) -> bool:
        """Appends events that have just come, if nothing of the room waits and all of them go on where it ends.

        `taken` is written with them; whether they were appended.
        """
        async with self._append.turn(name.room_id):
            if name.room_id in self._working:
                return False
            found = await self._db.read(simple, name, new)
            return len(found.new) == len(new) and await self._appends(name, found, source, taken)

    async def keep_up(self, name: RoomName) -> None:
        """Waits until not too much waits in a room, or for a while: whoever sends much is answered late."""
        for _ in range(CROWDED_TRIES):
            if name.room_id not in self._working or not await self._db.read(incoming.is_crowded, name.nid, CROWD):
                return
            await self._clock.sleep(CROWDED_PAUSE_S)

    async def _work(self, room_id: RoomId, woken: asyncio.Event, came: set[EventId]) -> None:
        """Takes all that waits in a room; what cannot be judged now is tried again after a while."""
        late: dict[EventId, _Late] = {}
        slow: dict[EventId, _Slow] = {}
        try:
            await self._work_on(room_id, _Rest(late, slow, woken), came)
        finally:
            for one in slow.values():
                one.task.cancel()

    async def _work_on(self, room_id: RoomId, rest: _Rest, came: set[EventId]) -> None:
        late, slow, woken = rest
        failed = _Late(0, 0.0)
        while True:
            woken.clear()
            late |= {event_id: late[event_id]._replace(due=0.0) for event_id in came & late.keys()}
            came.clear()
            try:
                async with self._places:
                    await self._all_in(room_id, rest)
                failed = _Late(0, 0.0)
            except (StorageError, MatrixError) as error:
                log.warning("events cannot be taken now", room=room_id, error=str(error))
                failed = self._later(failed)
            except Exception:
                log.exception("events cannot be taken", room=room_id)
                failed = self._later(failed)
            waits = [one.due for one in (*late.values(), failed) if one.attempts]
            if not waits and not slow:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(waits) - self._clock.monotonic()) if waits else None):
                    await woken.wait()

    def _later(self, late: _Late) -> _Late:
        pause = min(FIRST_PAUSE_S * 2**late.attempts, LONGEST_PAUSE_S)
        return late._replace(attempts=late.attempts + 1, due=self._clock.monotonic() + pause)

    async def _all_in(self, room_id: RoomId, rest: _Rest) -> None:
        """Takes what waits in a room and is not to be tried later; what cannot be judged now is late."""
        name = await self._db.read(rooms.find, room_id)
        if name is None:
            return
        late, slow, _ = rest
        for event, task in [one for one in slow.values() if one.task.done()]:
            del slow[event.event_id]
            self._note(late, event, is_done=task.result())
        now = self._clock.monotonic()
        passed_over = {event_id for event_id, one in late.items() if one.due > now} | slow.keys()
        while waiting := await self._waiting(name, passed_over):
            found = [_event(name, one) for one in waiting]
            async with self._append.turn(room_id):
                if await self._simply(name, found, Source(waiting[0].origin)):
                    continue
            if not await self._soon(name, found[0], waiting[0], rest):
                passed_over.add(found[0].event_id)
        if late:
            await self._sift(name, late)
        await self._join_ends(name)

    async def _waiting(self, name: RoomName, passed_over: Collection[EventId]) -> list[Waiting]:
        """The next events of a room that are to be taken; none while the first user from here enters it, whose join
        must not be fetched as what is before others' events."""
        if name.room_id in self._entering and not await self._db.read(rooms.is_here, name.nid):
            return []
        return await self._db.read(incoming.waiting, name.nid, passed_over, TOGETHER)

    async def _sift(self, name: RoomName, late: dict[EventId, _Late]) -> None:
        """Forgets late events that were taken along with others; those whose past has come are tried again at once."""
        waits, known = await self._db.read(_by_now, name, late.keys(), {i for one in late.values() for i in one.after})
        for event_id in late.keys() - waits:
            del late[event_id]
        late |= {
            event_id: one._replace(due=0.0, after=())
            for event_id, one in late.items()
            if one.after and known.issuperset(one.after)
        }

    async def _soon(self, name: RoomName, event: Event, waiting: Waiting, rest: _Rest) -> bool:
        """Settles one event; False where it is late, or it lasts: whoever lets us wait for what is before their event
        keeps no other waiting."""
        late, slow, woken = rest
        is_last = len(late) >= MOST_LATE
        reach = Reach.EVENTS if is_last or event.event_id in late else Reach.EVENTS_AT_FIRST
        one = asyncio.create_task(self._one(name, event, waiting, reach, is_last=is_last))
        try:
            done, _ = await asyncio.wait([one], timeout=PATIENCE_S if len(slow) < MOST_SLOW else None)
        except asyncio.CancelledError:
            one.cancel()
            raise
        if not done:
            slow[event.event_id] = _Slow(event, one)
            one.add_done_callback(lambda _: woken.set())
            return False
        return self._note(late, event, is_done=one.result())

    def _note(self, late: dict[EventId, _Late], event: Event, *, is_done: bool) -> bool:
        """Remembers whether an event is done with."""
        if is_done:
            late.pop(event.event_id, None)
        else:
            first = _Late(0, 0.0, event.prev_event_ids)
            late[event.event_id] = self._later(late.get(event.event_id, first))
        return is_done

    async def _join_ends(self, name: RoomName) -> None:
        """Joins the ends of a room's graph where there are many, by an event that nobody is shown (traps.md 18)."""
        many, members = await self._db.read(_ends, name)
        for user_id in members if many else ():
            draft = Draft(sender=user_id, type=GLUE, content={}, hidden=True)
            with suppress(Forbidden):  # who may not speak there
                await self._append.local(name.room_id, draft)
                return

    async def _one(self, name: RoomName, event: Event, waiting: Waiting, reach: Reach, *, is_last: bool) -> bool:
        """Settles one event that waits; whether it is done with. `is_last`: it is given up where that fails."""
        try:
            judged = await self._settle.event(name, event, Source(waiting.origin), reach)
        except (Unfound, RemoteFailed) as error:
            given_up = is_last or self._clock.now_ms() > waiting.received_at + GIVE_UP_MS
            log.info("an event waits", event_id=event.event_id, room=name.room_id, reason=str(error), given_up=given_up)
            if not given_up:
                return False
            self._count("given_up", 1)
            judged = None
        if judged is None:
            await self._done(name, [event])
        return True

    async def _done(self, name: RoomName, events: Sequence[Event]) -> None:
        """These have their place, and wait no longer."""
        if await self._db.write(_done, name.nid, events):
            self._append.forget(name)

    async def _simply(self, name: RoomName, waiting: Sequence[Event], source: Source) -> bool:
        """Appends those of the events, from the first on, that go on where the room ends; whether there was one.

        The caller holds the room's turn.
        """
        found = await self._db.read(simple, name, waiting)
        if found.done:
            await self._done(name, found.done)
        if not found.new:
            return bool(found.done)
        # Where it failed they are looked at anew; one alone finds its place by itself.
        return await self._appends(name, found, source) or len(waiting) > 1

    async def _appends(self, name: RoomName, found: Simple, source: Source, taken: Taken = nothing) -> bool:
        """Appends events that go on where the room ends; False where that is no longer so."""
        new = await self._weighed(name, found, source)
        try:
            room = await self._db.write(_append, found, new, taken)
        except (RoomMoved, Duplicate):
            return False
        self._append.appended(name, found.room.current, room, new)
        self._count("accepted", len(new))
        return True

    async def _weighed(self, name: RoomName, found: Simple, source: Source) -> list[NewEvent]:
        receivers = await self._append.receivers(name, found.room)
        state = dict(found.state)
        new = []
        for event, target in zip(found.new, found.redacts, strict=True):
            weighed = unread.weigh(event, found.room.joined, state, self._here, receivers)
            thread = None
            if "m.relates_to" in event.content:
                thread = await self._db.read(threads.of_content, name.room_id, event.content)
            follows = follow_up(event, state)
            new.append(
                weighed._replace(
                    thread=thread, redacts=target, job=follows, goes_out=source.passes_on, but=source.server
                )
            )
            if event.is_state:
                state[event.key] = event
        return new


def _ends(tx: Transaction, name: RoomName) -> tuple[bool, list[UserId]]:
    """Whether a room's graph has many ends, and some members of it here."""
    if len(rooms.get(tx, [name.nid])[name.nid].extremities) <= MANY_ENDS:
        return False, []
    return True, list(interning.user_ids(tx, membership.members_here(tx, name.nid)[:MANY_ENDS]).values())


def _by_now(
    tx: Transaction, name: RoomName, late: Collection[EventId], cited: Collection[EventId]
) -> tuple[set[EventId], set[EventId]]:
    """Which of some events still wait, and which of others are known with the state after them."""
    known = {event_id for event_id, one in arrivals.find(tx, cited).items() if one.after is not None}
    return incoming.still(tx, name.nid, late), known


def _event(name: RoomName, waiting: Waiting) -> Event:
    return event_from_pdu(decode_strict(waiting.body), name.version)


def _done(tx: Transaction, room: RoomNid, events: Sequence[Event]) -> bool:
    incoming.done(tx, room, [event.event_id for event in events])
    return whole.take(tx, events)


def _append(tx: Transaction, found: Simple, new: Sequence[NewEvent], taken: Taken) -> Room:
    taken(tx)
    room = append.append(tx, found.room.nid, found.room.current, new)
    finish(tx, room, found.new, found.early)
    return room
