"""Fills holes in rooms' logs with what other servers know of them.

Source: server-server API, "Backfilling and retrieving missing events". What comes is judged by what authorizes it; the
state before it is not asked for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import uri
from oriz_matrix.protocol.authorization import may_redact
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.services.federation_in.missing import V1, MissingEvents, Unfound, as_list
from oriz_matrix.services.federation_in.verify import Verify
from oriz_matrix.services.rooms import access, redact
from oriz_matrix.storage import arrivals, early_redactions, events, followed, gaps, rooms, servers, timeline
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.gaps import Gap
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

PAGE = 100
ASKED = 3
"""So many servers are asked before one gives up for now."""
MOST_WANTED = 20
MOST_CHAINS = 10
"""So many events of a page may need an auth chain of their own; the others are left for later."""

log = structlog.get_logger()


class _Fetched(NamedTuple):
    """What was fetched, the newest first, and what comes next, going back."""

    events: list[Event]
    wanted: list[EventId]


class Backfill:
    """Fetches history."""

    def __init__(self, db: Database, federation: Federation | None, verify: Verify, missing: MissingEvents) -> None:
        """`federation` is None where this server talks with no other."""
        self._db = db
        self._federation = federation
        self._verify = verify
        self._missing = missing

    async def fill(self, room_id: RoomId, hole: Gap) -> bool:
        """Fetches a page of what is missing in a hole; whether anything came."""
        name = await self._db.read(rooms.find, room_id)
        if self._federation is None or name is None:
            return False
        for server in (await self._db.read(servers.in_room, name.nid))[:ASKED]:
            query = [*(("v", event_id) for event_id in hole.wanted[:MOST_WANTED]), ("limit", str(PAGE))]
            try:
                answer = await self._federation.get(server, uri(f"{V1}/backfill", room_id, query=query))
            except RemoteFailed as error:
                log.info("history cannot be had", server=server, room=room_id, reason=str(error))
                continue
            pdus = as_list(answer, "pdus")[:PAGE]
            found = await self._verify.events(pdus, name.version, room_id)
            if found and await self._take(name, hole, found, [server]):
                return True
        return False

    async def _take(self, name: RoomName, hole: Gap, found: Sequence[Event], asked: Sequence[ServerName]) -> bool:
        fetched = await self._db.read(_in_order, hole.wanted, found)
        kept = await self._missing.keep(name, fetched.events)
        for event in [one for one in fetched.events if one.event_id not in kept.events][:MOST_CHAINS]:
            try:
                await self._missing.auth_events(name, event, asked)
            except Unfound as error:
                log.info("an event of a room's past cannot be judged", event_id=event.event_id, reason=str(error))
        if len(kept.events) < len(fetched.events):
            await self._missing.keep(name, fetched.events)
        return await self._db.write(_place, name, hole, fetched)


def _in_order(tx: Transaction, wanted: Sequence[EventId], found: Sequence[Event]) -> _Fetched:
    """Those of the events that lead back from what is wanted, the newest first; the rest is no part of this history."""
    by_id = {event.event_id: event for event in found}
    known = arrivals.find(tx, [*wanted, *by_id, *(i for event in found for i in event.prev_event_ids)])
    placed = {event_id for event_id, one in known.items() if not one.is_outlier}
    front = [event_id for event_id in wanted if event_id not in placed]
    ordered: list[Event] = []
    beyond: list[EventId] = []
    seen = set(front)
    while front:
        here = [by_id[i] for i in front if i in by_id]
        beyond += [i for i in front if i not in by_id]
        if not here:
            break
        event = max(here, key=lambda one: (one.depth, one.origin_server_ts))
        ordered.append(event)
        next_ones = [i for i in event.prev_event_ids if i not in seen and i not in placed]
        seen.update(next_ones)
        front = [i for i in front if i in by_id and i != event.event_id] + next_ones
    return _Fetched(ordered, list(dict.fromkeys(beyond)))


def _place(tx: Transaction, name: RoomName, hole: Gap, fetched: _Fetched) -> bool:
    """Puts what was fetched and kept into the hole; whether there was anything."""
    tx.lock(f"hole {name.nid} {hole.position}")
    now = gaps.before(tx, name.nid, hole.position)
    if now is None or now != hole:
        return True  # somebody else has filled some of it
    stored = arrivals.find(tx, [event.event_id for event in fetched.events])
    placeable = [event for event in fetched.events if event.event_id in stored]
    if not placeable and fetched.wanted == hole.wanted:
        return False
    numbers = [stored[event.event_id].number for event in placeable]
    unread = timeline.unread_before(tx, name.nid, hole.position)
    applied, held_back = _redactions(
        tx, name, placeable, {e.event_id: n for e, n in zip(placeable, numbers, strict=True)}
    )
    tx.pipeline()
    timeline.place_back(tx, numbers, hole.position, hole.back, unread)
    for target, redaction in applied:
        early_redactions.apply(tx, target, redaction)
    for unknown, redaction in held_back:
        early_redactions.hold_back(tx, redaction, unknown)
    beyond = {i for event in placeable for i in event.prev_event_ids}
    ends = {end for end, _ in rooms.get(tx, [name.nid])[name.nid].extremities}
    followed.mark(tx, name.nid, beyond & {*ends, *fetched.wanted})
    lost = [event.event_id for event in fetched.events if event.event_id not in stored]
    gaps.put(tx, hole._replace(back=hole.back - len(placeable), wanted=[*fetched.wanted, *lost][:MOST_WANTED]))
    return True


Redactions = list[tuple[EventId, EventNid]]
"""What is redacted, by which event."""

HeldBack = list[tuple[EventId | None, EventNid]]
"""The same of redactions that do nothing for now; what they redact may not be said."""


def _redactions(
    tx: Transaction, name: RoomName, placed: Sequence[Event], numbers: Mapping[EventId, EventNid]
) -> tuple[Redactions, HeldBack]:
    """The redactions of what is placed that take effect, and those that are shown to nobody for now (traps.md 8)."""
    state = access.current(tx, rooms.get(tx, [name.nid])[name.nid], [CREATE, POWER_LEVELS])
    by_id = {event.event_id: event for event in placed}
    waiting = early_redactions.find(tx, list(by_id))
    bodies = events.load(tx, [redaction for _, redaction in waiting])
    applied = [(i, nid) for i, nid in waiting if may_redact(bodies[nid], by_id[i], state)]
    held_back: HeldBack = []
    for event in placed:
        if not redact.is_redaction(event):
            continue
        target = redact.named(event)
        here = None if target is None else by_id.get(target)
        if target is not None and here is not None and may_redact(event, here, state):
            applied.append((target, numbers[event.event_id]))
        else:
            held_back.append((target, numbers[event.event_id]))
    return applied, held_back
