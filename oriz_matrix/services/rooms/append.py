"""How rooms get new events: prepare outside, then compare-and-append in one short transaction.

The room's current state is all that is compared. In one process those who write to a room stand in line, and plain
messages that stand there together are appended together. Two processes may make a small fork with the same state, which
the next event joins; only changes of state race, and the one that loses is prepared again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import NamedTuple
from weakref import WeakValueDictionary

from oriz_matrix.protocol.errors import MatrixError, Unavailable
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.protocol.policy import POLICY, is_exempt, policy_server
from oriz_matrix.protocol.relations import THREAD, relation
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.services.policy_servers import PolicyServers
from oriz_matrix.services.rooms import threads, unread
from oriz_matrix.services.rooms.follow_ups import follow_up
from oriz_matrix.services.rooms.known import Known
from oriz_matrix.services.rooms.prepare import Draft, Prepare
from oriz_matrix.services.rooms.receivers import Receiver
from oriz_matrix.services.rooms.snapshot import Snapshot, needed_keys, snapshot, unchanged
from oriz_matrix.storage import append, rooms
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate, RoomMoved
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.rooms import Room

RACES = 10
TOGETHER = 32
"""Messages that one transaction appends at most."""


class Wakes(NamedTuple):
    """Who is told when something was appended."""

    changes: Changes
    jobs: Jobs
    outgoing: Outgoing


class _AskFirst(Exception):
    """The room's policy server must be asked, for which nobody else has to wait."""


class _Turn(NamedTuple):
    """One who stands in line."""

    draft: Draft
    done: asyncio.Future[EventId]


class _Prepared(NamedTuple):
    """A turn whose event is ready to be appended to the room as it was seen."""

    turn: _Turn
    seen: Snapshot
    new: NewEvent


class _Line(asyncio.Lock):
    """Those who want to write to a room, in the order in which they came; the lock is held by who does.

    One object, so that it is there as long as anybody holds the lock or waits for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.turns: deque[_Turn] = deque()


class Makes(NamedTuple):
    """Who makes events, and who says whether they are welcome."""

    prepare: Prepare
    policy: PolicyServers


class Append:
    """Appends events of local users to rooms."""

    def __init__(self, db: Database, makes: Makes, known: Known, wakes: Wakes, count: Callable[[int], None]) -> None:
        """`count` hears how many events were appended."""
        self._db = db
        self._prepare, self._policy = makes
        self._known = known
        self._receivers = known.receivers
        self._wakes = wakes
        self._count = count
        self._lines: WeakValueDictionary[RoomId, _Line] = WeakValueDictionary()

    async def local(self, room_id: RoomId, draft: Draft, seen: Snapshot | None = None) -> EventId:
        """Appends one event; its id. Raises Forbidden when the room's rules refuse it, and what makes it malformed.
        In a room with a policy server that one is asked first, whose refusal is raised.

        What was sent already is not sent again: a repeated transaction id, or state that says the same as the present.
        `seen`: the room, where the caller has just read what the event needs; it is not read again unless it moved.
        """
        if seen is not None:
            self._known.learn(seen)
        draft = await self._in_thread(room_id, draft)
        await self._receivers.refresh()
        turn = _Turn(draft, asyncio.get_running_loop().create_future())
        line = self._lines.setdefault(room_id, _Line())
        line.turns.append(turn)
        async with line:
            while not turn.done.done():  # else somebody before took it along
                await self._serve(room_id, line)
        try:
            return turn.done.result()
        except _AskFirst:
            return await self._asking(room_id, draft)

    @property
    def here(self) -> ServerName:
        """This server's name."""
        return self._prepare.server_name

    def turn(self, room_id: RoomId) -> asyncio.Lock:
        """Held by who writes to a room, so that in one process nobody loses a race."""
        return self._lines.setdefault(room_id, _Line())

    async def receivers(self, name: RoomName, room: Room) -> Sequence[Receiver]:
        """The members of a room whose own push rules are asked for each event."""
        await self._receivers.refresh()
        return await self._receivers.of_room(name, room)

    def appended(self, name: RoomName, before: StateAt, room: Room, new: Sequence[NewEvent]) -> None:
        """Tells of events that were appended to a room by somebody else, to this state of it."""
        if self._known.is_at(name.room_id, before):
            self._known.appended(name.room_id, room, new)
        else:
            self._known.forget(name.room_id)
        self._tell(room, new)

    def poke(self) -> None:
        """Something was committed that is no event of a room here."""
        self._wakes.changes.poke()

    def forget(self, name: RoomName) -> None:
        """What is known of a room holds no longer."""
        self._known.forget(name.room_id)

    async def _in_thread(self, room_id: RoomId, draft: Draft) -> Draft:
        """The draft with its thread; only for what relates to others in another way the room must be read."""
        link = relation(draft.content)
        if link is None:
            return draft
        if link.rel_type == THREAD:
            return replace(draft, thread=link.event_id)
        return replace(draft, thread=await self._db.read(threads.of_content, room_id, draft.content))

    async def _serve(self, room_id: RoomId, line: _Line) -> None:
        """Serves the first in the line, and those behind it that can be taken along."""
        if await self._together(line, self._prepared(room_id, line.turns)):
            return
        draft, done = line.turns.popleft()
        try:
            done.set_result(await self._carefully(room_id, draft))
        except Exception as error:
            done.set_exception(error)

    def _prepared(self, room_id: RoomId, turns: Iterable[_Turn]) -> list[_Prepared]:
        """The first turn, and what plain messages stand behind it, each event on the one before.

        Made from what this process saw of the room last; whatever is refused so is left for the careful way.
        """
        prepared: list[_Prepared] = []
        for turn in islice(turns, TOGETHER):
            seen = self._guess(room_id, turn.draft)
            if seen is None:
                break
            if prepared:
                seen = seen._replace(room=rooms.with_event(prepared[-1].seen.room, prepared[-1].new.event))
            try:
                new = self._new(seen, turn.draft)
            except MatrixError:
                break
            if prepared and new.event.is_state:
                break
            prepared.append(_Prepared(turn, seen, new))
            if new.event.is_state:
                break
        return prepared

    async def _together(self, line: _Line, prepared: Sequence[_Prepared]) -> bool:
        """Appends what was prepared; whether the room was still so, and none of it was sent before."""
        if not prepared:
            return False
        try:
            await self._write(prepared[0].seen, [one.new for one in prepared], prepared[0].turn.draft)
        except (RoomMoved, Duplicate):
            return False
        for one in prepared:
            line.turns.remove(one.turn)
            one.turn.done.set_result(one.new.event.event_id)
        return True

    async def _carefully(self, room_id: RoomId, draft: Draft) -> EventId:
        """Reads the room, prepares and appends, until no other process changed the room in between."""
        for _ in range(RACES):
            prepared = await self._read(room_id, draft)
            if not isinstance(prepared, tuple):
                return prepared
            seen, new = prepared
            if seen.policy is not None and not is_exempt(draft.type, draft.state_key):
                raise _AskFirst
            with suppress(RoomMoved, Duplicate):
                await self._write(seen, [new], draft)
                return new.event.event_id
        raise Unavailable("The room changes too fast, try again")

    async def _asking(self, room_id: RoomId, draft: Draft) -> EventId:
        """The same in a room with a policy server, and outside of the line: the others go on while it thinks."""
        for _ in range(RACES):
            prepared = await self._read(room_id, draft)
            if not isinstance(prepared, tuple):
                return prepared
            seen, new = prepared
            if seen.policy is not None:
                new = new._replace(event=await self._policy.signed(new.event, seen.policy))
            with suppress(RoomMoved, Duplicate):
                async with self.turn(room_id):
                    await self._write(seen, [new], draft)
                return new.event.event_id
        raise Unavailable("The room changes too fast, try again")

    async def _read(self, room_id: RoomId, draft: Draft) -> tuple[Snapshot, NewEvent] | EventId:
        """The room, and the event for it; or the id of the one that says the same already."""
        seen = await self._db.read(snapshot, room_id, draft)
        if not isinstance(seen, Snapshot):
            return seen
        generation = self._receivers.generation
        seen = seen._replace(receivers=await self._receivers.of_room(seen.name, seen.room))
        self._known.learn(seen)
        self._known.learn_receivers(seen, generation)
        new = self._new(seen, draft)
        present = unchanged(seen.state, draft)
        return (seen, new) if present is None else present.event_id

    def _guess(self, room_id: RoomId, draft: Draft) -> Snapshot | None:
        """The room as this process saw it last, where that is enough to prepare the event."""
        version = self._known.version(room_id)
        if version is None or draft.redacts is not None:
            return None
        guess = self._known.recall(room_id, needed_keys(draft, version))
        if guess is None or (POLICY in guess.state and policy_server(guess.state[POLICY]) is not None):
            return None
        return None if unchanged(guess.state, draft) else guess

    def _new(self, seen: Snapshot, draft: Draft) -> NewEvent:
        name, room, state = seen.name, seen.room, seen.state
        event = self._prepare.event(name.version, name.room_id, room.extremities, state, draft)
        return unread.weigh(event, room.joined, state, self._prepare.server_name, seen.receivers)._replace(
            thread=draft.thread,
            transaction=draft.transaction,
            redacts=seen.redacts,
            job=follow_up(event, state),
            hidden=draft.hidden,
        )

    async def _write(self, seen: Snapshot, new: Sequence[NewEvent], first: Draft) -> None:
        room_nid, current = seen.room.nid, seen.room.current
        if len(new) == 1 and first.user is not None and _is_plain(new[0]):
            room = await self._db.write(append.message, room_nid, current, new[0], first.user)
        else:
            room = await self._db.write(append.append, room_nid, current, new)
        self._known.appended(seen.name.room_id, room, new)
        self._tell(room, new)

    def _tell(self, room: Room, new: Sequence[NewEvent]) -> None:
        """Wakes all who wait for what was committed."""
        self._wakes.changes.poke()
        if room.elsewhere:
            self._wakes.outgoing.room(room.nid)
        self._wakes.outgoing.servers(one.server for one in new if one.server is not None)
        if any(one.job is not None for one in new):
            self._wakes.jobs.poke()
        self._count(len(new))


def _is_plain(new: NewEvent) -> bool:
    """Whether an event changes nothing but the timeline."""
    is_same_to_all = not (new.mentions or new.mentions_all or new.verdicts)
    return is_same_to_all and not (new.event.is_state or new.redacts or new.thread or new.hidden)
