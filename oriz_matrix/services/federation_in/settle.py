"""How one event of another server finds its place: what is missing is fetched, its fate decided, its states written.

An event that is accepted is first kept outside the timeline with the states before and after it; then it is appended
with all that it changes of the current state. Each step can be done again after a crash.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple
from weakref import WeakValueDictionary

import structlog

from oriz_matrix.protocol.errors import Forbidden, MatrixError, Unavailable
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, domain_of
from oriz_matrix.services.federation_in import judge, whole
from oriz_matrix.services.federation_in.judge import HELD_BACK, Judged, Missing, Outcome
from oriz_matrix.services.federation_in.missing import MissingEvents, Unfound
from oriz_matrix.services.policy_servers import PolicyServers
from oriz_matrix.services.rooms import redact, threads, unread
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.follow_ups import follow_up
from oriz_matrix.storage import append, arrivals, early_redactions, events, followed, gaps, incoming, rooms, servers
from oriz_matrix.storage.arrivals import Stored
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate, RoomMoved
from oriz_matrix.storage.gaps import Gap
from oriz_matrix.storage.new_events import Arrival, NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

RACES = 20
ASKED = 5
"""So many servers are asked for what is missing."""

log = structlog.get_logger()


class Source(NamedTuple):
    """Who gave an event, and whether this server passes it on to the others in the room (all but who gave it)."""

    server: ServerName
    passes_on: bool = False


class Reach(Enum):
    """How much of an event's past may be fetched: the state before it; missing events first; or those at first alone,
    for what nobody gives may be on its way, and a state that bridges a hole leaves it in the timeline."""

    STATE = auto()
    EVENTS = auto()
    EVENTS_AT_FIRST = auto()


_Fetch = Callable[[RoomName, Event, Source, Missing], Awaitable[object]]

Count = Callable[[str, int], None]
"""Hears what became of so many events: accepted, rejected, soft_failed, dropped or given_up."""


class Settle:
    """Settles events."""

    def __init__(
        self, db: Database, append: Append, missing: MissingEvents, policy: PolicyServers, count: Count
    ) -> None:
        self._db = db
        self._append = append
        self._missing = missing
        self._policy = policy
        self._here = append.here
        self._count = count
        self._turns: WeakValueDictionary[RoomId, asyncio.Lock] = WeakValueDictionary()
        self._fetches: dict[Reach, list[_Fetch]] = {
            Reach.STATE: [self._fetch_states],
            Reach.EVENTS: [self._settle_before, self._fetch_states],
            Reach.EVENTS_AT_FIRST: [self._require_before, self._fetch_states],
        }

    async def event(self, name: RoomName, event: Event, source: Source, reach: Reach = Reach.EVENTS) -> Judged | None:
        """Gives an event its place; its fate, None where it had one already.

        Raises Unfound where what is missing cannot be had now.
        """
        for fetch in (*self._fetches[reach], None):
            async with self._turns.setdefault(name.room_id, asyncio.Lock()):
                judged = await self._db.read(_judge, name, event)
                if not isinstance(judged, Missing):
                    return None if judged is None else await self._place(name, event, source, judged)
            if fetch is not None:
                await fetch(name, event, source, judged)
        raise Unfound("what was fetched is not enough")

    async def _place(self, name: RoomName, event: Event, source: Source, judged: Judged) -> Judged:
        """Gives an event that was judged its place. One at a time in each room: one that is half there is in nobody's
        way."""
        event, judged = await self._recommended(event, judged)
        if judged.rejected is not None or judged.soft_failed is not None:
            await self._db.write(_set_aside, name, event, judged)
            self._count("soft_failed" if judged.rejected is None else "rejected", 1)
            log.info(
                "an event is set aside",
                event_id=event.event_id,
                room=event.room_id,
                reason=judged.rejected or judged.soft_failed,
            )
            return judged
        kept = await self._db.write(_keep, name, event, judged)
        for _ in range(RACES):
            async with self._append.turn(name.room_id):
                found = await self._db.read(judge.outcome, name, event, kept, judged.behind.ends, self._here)
                if found.refusal is not None:
                    judged = judged._replace(soft_failed=found.refusal)
                    await self._db.write(_set_aside, name, event, judged)
                    self._count("soft_failed", 1)
                    return judged
                if await self._arrive(name, event, source, judged, kept, found):
                    self._count("accepted", 1)
                    return judged
        raise Unavailable("The room changes too fast, try again")

    async def _fetch_states(self, name: RoomName, event: Event, source: Source, missing: Missing) -> None:
        """Fetches the states that an event's previous events lead to, and what authorizes it."""
        asked = await self._servers(name, event, source)
        for event_id in missing.previous:
            await self._missing.state_after(name, event_id, asked)
        auth = set(missing.auth)
        if len(await self._db.read(events.find, auth)) < len(auth):  # what came with the states need not be asked for
            await self._missing.auth_events(name, event, asked)

    async def _recommended(self, event: Event, judged: Judged) -> tuple[Event, Judged]:
        """The event signed by the room's policy server; what that does not recommend is soft-failed."""
        if judged.policy is None or judged.rejected is not None or judged.soft_failed is not None:
            return event, judged
        try:
            return await self._policy.signed(event, judged.policy), judged
        except MatrixError as error:
            return event, judged._replace(soft_failed=f"policy server: {error.message}")

    async def _settle_before(self, name: RoomName, event: Event, source: Source, missing: Missing) -> bool:
        """Fetches and settles events between what is known and this event; what fails is passed over.

        False where there should be some, and nobody gives any.
        """
        if not missing.previous:
            return True
        room = (await self._db.read(rooms.get, [name.nid]))[name.nid]
        ends = [event_id for event_id, _ in room.extremities]
        asked = await self._servers(name, event, source)
        found = await self._missing.events_before(name, event, ends, asked[:1])
        for one in found:
            if await self._db.read(_is_past, one):
                continue
            try:
                await self.event(name, one, Source(source.server), Reach.STATE)
            except Unfound as error:
                log.info("an event before another is not settled", event_id=one.event_id, reason=str(error))
        return bool(found)

    async def _require_before(self, name: RoomName, event: Event, source: Source, missing: Missing) -> None:
        if not await self._settle_before(name, event, source, missing):
            raise Unfound("what is before it is not given")

    async def _servers(self, name: RoomName, event: Event, source: Source) -> Sequence[ServerName]:
        """Whom to ask for what is missing: who gave the event, who made it, and others in the room."""
        others = await self._db.read(servers.in_room, name.nid)
        asked = dict.fromkeys([source.server, domain_of(event.sender), *others])
        return [server for server in asked if server != self._here][:ASKED]

    async def _arrive(
        self, name: RoomName, event: Event, source: Source, judged: Judged, kept: Stored, found: Outcome
    ) -> bool:
        """Appends a kept event; False where the room moved."""
        thread = await self._db.read(threads.of_content, name.room_id, event.content)
        receivers = await self._append.receivers(name, found.room)
        new = unread.weigh(event, found.room.joined, found.state, self._here, receivers)._replace(
            thread=thread,
            redacts=found.redacts if found.redacts is not HELD_BACK else None,
            job=follow_up(event, found.state),
            goes_out=source.passes_on,
            but=source.server,
        )
        assert kept.before is not None
        arrival = Arrival(
            kept.number, kept.before, found.replaces, sorted(found.retired), found.changes, is_end=found.is_end
        )
        try:
            room = await self._db.write(_append, found, new, arrival, judged)
        except RoomMoved:
            return False
        except Duplicate:  # another process was faster
            return True
        self._append.appended(name, found.room.current, room, [new])
        if arrival.changes:
            self._append.forget(name)
        return True


def _judge(tx: Transaction, name: RoomName, event: Event) -> Missing | Judged | None:
    stored = arrivals.find(tx, [event.event_id]).get(event.event_id)
    if stored is not None and stored.rejected is None and (not stored.is_outlier or event.type == CREATE[0]):
        return None
    return judge.judge(tx, name, event)  # one that was rejected too: more may be known now (traps.md 17)


def _is_past(tx: Transaction, event: Event) -> bool:
    """Whether an event was told of as part of an older state: it has its place in history that was not fetched yet."""
    stored = arrivals.find(tx, [event.event_id]).get(event.event_id)
    return event.type == CREATE[0] or (stored is not None and stored.is_outlier and stored.rejected is None)


def _keep(tx: Transaction, name: RoomName, event: Event, judged: Judged) -> Stored:
    arrivals.keep(tx, name.nid, [event], {})
    whole.take(tx, [event])
    return arrivals.branch_off(tx, name.nid, event, judged.before)


def _set_aside(tx: Transaction, name: RoomName, event: Event, judged: Judged) -> None:
    """Keeps an event that is shown to nobody; one that was rejected before, and is again, as it is."""
    incoming.done(tx, name.nid, [event.event_id])
    stored = arrivals.find(tx, [event.event_id]).get(event.event_id)
    if judged.rejected is None or stored is None or stored.is_outlier:
        arrivals.keep(tx, name.nid, [event], {})
        refusal = {"rejected": judged.rejected, "soft_failed": judged.soft_failed}
        arrivals.branch_off(tx, name.nid, event, judged.before, **refusal)
    whole.take(tx, [event])
    if followed.among(tx, name.nid, [event.event_id]):
        followed.forget(tx, name.nid, [event.event_id])
        followed.mark(tx, name.nid, [*judged.behind.ends, *judged.behind.outside])


def _append(tx: Transaction, found: Outcome, new: NewEvent, arrival: Arrival, judged: Judged) -> Room:
    """Appends a kept event, and all that goes with it."""
    room = append.arrive(tx, found.room.nid, found.room.current, new, arrival)
    if judged.hole:
        gaps.put(tx, Gap(room.nid, room.latest, 0, judged.hole))
    followed.mark(tx, room.nid, judged.behind.outside)
    followed.forget(tx, room.nid, [new.event.event_id, *arrival.behind])
    finish(tx, room, [new.event], found.early)
    if found.redacts is HELD_BACK:
        early_redactions.hold_back(tx, arrival.number, redact.named(new.event))
    return room


def finish(tx: Transaction, room: Room, new: Sequence[Event], early: Sequence[tuple[EventId, EventNid]]) -> None:
    """Events of other servers are appended: they wait no longer, and redactions that came before them are applied."""
    incoming.done(tx, room.nid, [event.event_id for event in new])
    for event_id, redaction in early:
        early_redactions.apply(tx, event_id, redaction)


def require_accepted(judged: Judged | None) -> None:
    """Raises Forbidden for an event that was not accepted, as whoever hands it over must hear."""
    if judged is not None and judged.rejected is not None:
        raise Forbidden(judged.rejected)
    if judged is not None and judged.soft_failed is not None:
        raise Forbidden("The room's present state, or its policy server, does not allow this event")
