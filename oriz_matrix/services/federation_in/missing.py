"""Fetches from other servers what must be known before an event can be judged.

Whatever comes is checked as any event is, and kept outside the timeline with its whole auth chain. Server-server API,
"Retrieving event authorization information", "Backfilling and retrieving missing events", "Retrieving events".
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest, uri
from oriz_matrix.protocol.authorization import auth_keys_of, check_with_state
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, ServerName
from oriz_matrix.services.federation_in import ends, whole
from oriz_matrix.services.federation_in.verify import Chain, Verify, event_id_of_any, in_order
from oriz_matrix.storage import arrivals, events, interning, room_state, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.room_state import Fork
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid, StateKeyNid

V1 = "/_matrix/federation/v1"
GAP_EVENTS = 20
GAP_ROUNDS = 5
FEW = 40
"""So many events are asked for one by one; for more the whole state is."""
AT_ONCE = 10
CHUNK = 100
LARGE_SECONDS = 120.0
LARGEST_STATE = 256 * 1024 * 1024
MOST_EVENTS = 500_000

log = structlog.get_logger()


class Unfound(Exception):
    """No server gives what is needed to judge an event."""


class MissingEvents:
    """Asks the servers of a room."""

    def __init__(self, db: Database, federation: Federation | None, verify: Verify) -> None:
        """`federation` is None where this server talks with no other."""
        self._db = db
        self._speaks = federation
        self._verify = verify

    @property
    def _federation(self) -> Federation:
        if self._speaks is None:
            raise Unfound("this server talks with no other")
        return self._speaks

    async def auth_events(self, name: RoomName, event: Event, servers: Sequence[ServerName]) -> None:
        """Fetches the auth chain of an event. Raises Unfound."""

        async def ask(server: ServerName) -> None:
            target = uri(f"{V1}/event_auth", name.room_id, event.event_id)
            answer = await self._federation.ask(server, _large("GET", target))
            await self.keep(name, await self._verify.events(as_list(answer, "auth_chain"), name.version, name.room_id))
            if len(await self._db.read(events.find, event.auth_event_ids)) < len(set(event.auth_event_ids)):
                raise Unfound("the auth chain is not whole")

        await self._of_any(servers, ask)

    async def events_before(
        self, name: RoomName, event: Event, ends: Collection[EventId], servers: Sequence[ServerName]
    ) -> list[Event]:
        """Events between the ends of the room here and an event, oldest first, as far as a few requests bring them."""
        found: dict[EventId, Event] = {}
        latest = [event.event_id]
        for _ in range(GAP_ROUNDS):
            batch = await self._batch_before(name, latest, ends, servers)
            new = [one for one in batch if one.event_id not in found and one.event_id != event.event_id]
            found = {**{one.event_id: one for one in new}, **found}
            known = await self._db.read(arrivals.find, {i for one in found.values() for i in one.prev_event_ids})
            latest = [
                one.event_id
                for one in found.values()
                if any(i not in found and (i not in known or known[i].after is None) for i in one.prev_event_ids)
            ]
            if not new or not latest or len(batch) < GAP_EVENTS:  # that is all that they give
                break
        return list(found.values())

    async def _batch_before(
        self, name: RoomName, latest: Sequence[EventId], ends: Collection[EventId], servers: Sequence[ServerName]
    ) -> list[Event]:
        body = {"latest_events": list(latest)[:GAP_EVENTS], "earliest_events": list(ends)[:GAP_EVENTS]}
        for server in servers:
            try:
                answer = await self._federation.post(
                    server, uri(f"{V1}/get_missing_events", name.room_id), {**body, "limit": GAP_EVENTS, "min_depth": 0}
                )
            except RemoteFailed as error:
                log.info("missing events cannot be had", server=server, room=name.room_id, reason=str(error))
                continue
            found = await self._verify.events(as_list(answer, "events")[:GAP_EVENTS], name.version, name.room_id)
            if found:
                return found
        return []

    async def state_after(self, name: RoomName, event_id: EventId, servers: Sequence[ServerName]) -> None:
        """Fetches an event with the state that it leads to, as another server says. Raises Unfound."""

        async def ask(server: ServerName) -> None:
            query = [("event_id", event_id)]
            answer = await self._federation.ask(
                server, _large("GET", uri(f"{V1}/state_ids", name.room_id, query=query))
            )
            if not isinstance(answer.get("pdu_ids"), list):
                raise Unfound("no state is given")
            state, chain = _ids(answer, "pdu_ids"), _ids(answer, "auth_chain_ids")
            wanted = {event_id, *state, *chain}
            missing = wanted - set(await self._db.read(events.find, wanted))
            found = await self._fetch(name, event_id, missing, server)
            kept = await self.keep(name, found)
            for event in found:  # what authorizes the event itself need be no part of the state before it
                if event.event_id == event_id and event_id not in kept.events:
                    await self.auth_events(name, event, [server])
                    await self.keep(name, [event])
            await self._db.write(_lend, name, event_id, state)

        await self._of_any(servers, ask)

    async def _fetch(
        self, name: RoomName, event_id: EventId, missing: Collection[EventId], server: ServerName
    ) -> list[Event]:
        """The missing events of a state: each alone, or the whole state with its auth chain.

        One that is given and cannot be believed is left out. Raises Unfound where one is not given at all, because a
        state without it would be another.
        """
        absent = missing
        pdus: list[object] = []
        if len(missing) > FEW:
            query = [("event_id", event_id)]
            answer = await self._federation.ask(server, _large("GET", uri(f"{V1}/state", name.room_id, query=query)))
            pdus += [*as_list(answer, "pdus"), *as_list(answer, "auth_chain")]
            missing = [event_id] if event_id in missing else []
        places = asyncio.Semaphore(AT_ONCE)

        async def one(wanted: EventId) -> list[object]:
            async with places:
                return as_list(await self._federation.get(server, uri(f"{V1}/event", wanted)), "pdus")[:1]

        for found in await asyncio.gather(*(one(wanted) for wanted in missing)):
            pdus += found
        good = await self._verify.events(pdus, name.version, name.room_id)
        if absent := set(absent) - {event.event_id for event in good}:
            given = await asyncio.to_thread(lambda: {event_id_of_any(pdu, name.version) for pdu in pdus})
            if absent - given:
                raise Unfound("a part of the state is not given")
        return good

    async def keep(self, name: RoomName, new: Iterable[Event]) -> Chain:
        """Keeps events as outliers as far as their auth chains are whole; all of them, judged by each other."""
        ordered = in_order(new)
        inside = {event.event_id for event in ordered}
        cited = {auth for event in ordered for auth in event.auth_event_ids} - inside
        create = EventId("$" + name.room_id[1:])
        known, rejected = await self._db.read(_known, [*cited, create])
        chain = Chain(known, rejected)
        for start in range(0, len(ordered), CHUNK):
            part = ordered[start : start + CHUNK]
            kept = await asyncio.to_thread(_judged, chain, part) if len(part) > FEW else _judged(chain, part)
            await self._db.write(_keep, name.nid, kept, chain.rejected)
        return chain

    async def _of_any(self, servers: Sequence[ServerName], ask: Callable[[ServerName], Any]) -> None:
        for server in servers:
            try:
                await ask(server)
            except (RemoteFailed, Unfound) as error:
                log.info("an event's past cannot be had", server=server, reason=str(error))
            else:
                return
        raise Unfound("no server tells what is missing")


class _State(NamedTuple):
    """A state as events by key."""

    numbers: Mapping[StateKey, EventNid]
    bodies: Mapping[EventNid, Event]


def _judged(chain: Chain, part: Sequence[Event]) -> list[Event]:
    return [event for event in part if chain.add(event)]


def _keep(tx: Transaction, room: RoomNid, judged: Sequence[Event], rejected: Mapping[EventId, str]) -> None:
    """Keeps events that were judged; of those that are here already what is better is taken."""
    known = events.find(tx, [event.event_id for event in judged])
    ends.keep(tx, room, judged, rejected)
    if known:
        whole.take(tx, [event for event in judged if event.event_id in known])
        arrivals.acquit(tx, [event_id for event_id in known if event_id not in rejected])


def _known(tx: Transaction, ids: Collection[EventId]) -> tuple[dict[EventId, Event], dict[EventId, str]]:
    stored = arrivals.find(tx, ids)
    bodies = events.load(tx, [one.number for one in stored.values()])
    known = {event_id: bodies[one.number] for event_id, one in stored.items()}
    return known, {event_id: one.rejected for event_id, one in stored.items() if one.rejected is not None}


def _lend(tx: Transaction, name: RoomName, event_id: EventId, state_ids: Collection[EventId]) -> None:
    """Writes down the states around an event: before it what another server has told. Raises Unfound where that is no
    use."""
    stored = arrivals.find(tx, [event_id])
    if event_id not in stored or stored[event_id].room != name.nid:
        raise Unfound("the event itself was not given")
    if stored[event_id].after is not None:
        return
    event = events.load(tx, [stored[event_id].number])[stored[event_id].number]
    told = _told(tx, name, event, state_ids)
    if CREATE not in told.numbers and state_ids:  # before a create event, and what stands upon nothing, there is none
        raise Unfound("the state has no create event")
    changes = None  # who has all that was before judges by it too, and must agree
    if event.is_state and stored[event_id].rejected is None and _is_allowed(event, told):
        changes = interning.state_key(tx, event.key)
    arrivals.lend(tx, name.nid, event_id, as_fork(tx, name, told.numbers), changes)


def _told(tx: Transaction, name: RoomName, event: Event, state_ids: Collection[EventId]) -> _State:
    """The state before an event as another server tells it, without what was rejected here.

    Where that leaves a key empty, there is what authorizes the event itself: its sender held that for the state, and
    no power levels at all are further from the truth.
    """
    stored = arrivals.find(tx, {*state_ids, *event.auth_event_ids})
    ours = {i: one for i, one in stored.items() if one.room == name.nid and one.is_state}
    bodies = events.load(tx, [one.number for one in ours.values()])
    keys = {i: bodies[one.number].key for i, one in ours.items()}
    good = {i: one.number for i, one in ours.items() if one.rejected is None}
    told = {keys[i]: good[i] for i in state_ids if i in good}
    refused = {keys[i] for i in state_ids if i in ours} - told.keys()
    cited = {keys[i]: good[i] for i in event.auth_event_ids if i in good and keys[i] in refused}
    return _State(told | cited, bodies)


def as_fork(tx: Transaction, name: RoomName, state: Mapping[StateKey, EventNid]) -> Fork:
    """A whole state, as what it has otherwise than the room's current state."""
    room = rooms.get(tx, [name.nid])[name.nid]
    if not state:
        return Fork(room.nothing, {})
    current = room.current
    present = room_state.at(tx, current)
    numbers = interning.many_state_keys(tx, state.keys())
    wanted = {numbers[key]: nid for key, nid in state.items()}
    changes: dict[StateKeyNid, EventNid | None] = {k: nid for k, nid in wanted.items() if present.get(k) != nid}
    changes |= {key: None for key in present if key not in wanted}
    return Fork(current, changes)


def _is_allowed(event: Event, state: _State) -> bool:
    keys = [CREATE, *auth_keys_of(event)]
    try:
        check_with_state(event, {key: state.bodies[state.numbers[key]] for key in keys if key in state.numbers})
    except Forbidden:
        return False
    return True


def _large(method: str, target: str) -> PeerRequest:
    return PeerRequest(method=method, uri=target, seconds=LARGE_SECONDS, limit=LARGEST_STATE)


def as_list(answer: Mapping[str, Any], field: str) -> list[object]:
    """A list of an answer, empty where it is none."""
    value = answer.get(field)
    return value[:MOST_EVENTS] if isinstance(value, list) else []


def _ids(answer: Mapping[str, Any], field: str) -> list[EventId]:
    return [EventId(value) for value in as_list(answer, field) if isinstance(value, str) and "\0" not in value]
