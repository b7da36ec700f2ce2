"""Takes in what another server sends: checks it, stores it, and answers; what it means for rooms is found out after.

One bad event, or anything else of a transaction, spoils nothing but itself. Server-server API, "Transactions".
"""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.shared_calls import SharedCalls
from oriz_matrix.protocol.errors import BadJson, Forbidden, MatrixError, NotFound
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.federation_in.edus import Edu
from oriz_matrix.services.federation_in.receive import Receive
from oriz_matrix.services.federation_in.retracted import Retracted
from oriz_matrix.services.federation_in.settle import Count, Source
from oriz_matrix.services.federation_in.verify import Verify, event_id_of_any
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.rooms import doors
from oriz_matrix.services.typing_notices import TypingNotices
from oriz_matrix.storage import incoming, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.transaction import Transaction

MOST_PDUS = 50
MOST_EDUS = 100

log = structlog.get_logger()

Results = dict[EventId, dict[str, str]]
"""What became of each event: nothing to say, or an `error`."""


class Taking(NamedTuple):
    """Who takes what a transaction brings; `edus` by their types; the rooms that are just being entered."""

    verify: Verify
    receive: Receive
    retracted: Retracted
    entering: Container[RoomId]
    edus: Mapping[str, Edu]


class Told(NamedTuple):
    """Who is told when something was taken in."""

    changes: Changes
    jobs: Jobs
    typing_notices: TypingNotices
    fates: Count


class _Taken(NamedTuple):
    """A transaction as it is stored, with its answer."""

    origin: ServerName
    txn_id: str
    answer: bytes
    events: Mapping[RoomName, Sequence[Event]]
    edus: Sequence[tuple[Edu, Any]]
    now_ms: int


class Transactions:
    """Takes transactions in."""

    def __init__(self, db: Database, taking: Taking, told: Told, clock: Clock) -> None:
        self._db = db
        self._verify = taking.verify
        self._receive = taking.receive
        self._retracted = taking.retracted
        self._entering = taking.entering
        self._edus = taking.edus
        self._told = told
        self._clock = clock
        self._taking: SharedCalls[tuple[ServerName, str], bytes] = SharedCalls()

    async def take(
        self, origin: ServerName, txn_id: str, said_origin: str, pdus: Sequence[Any], edus: Sequence[Any]
    ) -> dict[str, Any]:
        """Takes a transaction in, once; what is answered, to a repeated one as before.

        Raises BadJson for one that is too large, and Forbidden for one of another server.
        """
        if said_origin != origin:
            raise Forbidden("origin: a server sends its own transactions")
        if len(pdus) > MOST_PDUS:
            raise BadJson(f"pdus: at most {MOST_PDUS}")
        if len(edus) > MOST_EDUS:
            raise BadJson(f"edus: at most {MOST_EDUS}")
        key = (origin, txn_id)
        answer = await self._taking.share(key, lambda: self._take(origin, txn_id, pdus, edus))
        decoded: dict[str, Any] = msgspec.json.decode(answer)
        return decoded

    async def _take(self, origin: ServerName, txn_id: str, pdus: Sequence[Any], edus: Sequence[Any]) -> bytes:
        before = await self._db.read(incoming.answer, origin, txn_id)
        if before is not None:
            return before
        results: Results = {}
        found = await self._events(origin, pdus, results) if pdus else {}
        answer = msgspec.json.encode({"pdus": results})
        now_ms = self._clock.now_ms()
        durable, passing = self._known_edus(edus)
        taken = _Taken(origin, txn_id, answer, found, durable, now_ms)
        if not await self._at_once(taken):
            try:
                await self._db.write(_store, taken)
            except Duplicate:
                return await self._db.read(incoming.answer, origin, txn_id) or answer
            for name, events in found.items():
                self._receive.poke(name.room_id, [event.event_id for event in events])
                await self._receive.keep_up(name)
        for take, content in passing:
            await self._db.write(_take_edu, take, origin, content, now_ms)
        if edus:
            self._told.changes.poke()
            self._told.jobs.poke()
            self._told.typing_notices.look_again()
        return answer

    async def _at_once(self, taken: _Taken) -> bool:
        """Takes the events of one room into it, where nothing else waits there; else they wait too."""
        if len(taken.events) != 1:
            return False
        ((name, events),) = taken.events.items()
        without = taken._replace(events={})
        source = Source(taken.origin)
        return bool(events) and await self._receive.at_once(name, events, source, lambda tx: _store(tx, without))

    async def _events(self, origin: ServerName, pdus: Sequence[Any], results: Results) -> dict[RoomName, list[Event]]:
        """The events of a transaction that are to be judged, by room; `results` gets what is said of each."""
        found: dict[RoomName, list[Event]] = {}
        by_room: defaultdict[str, list[Any]] = defaultdict(list)
        for pdu in pdus:
            room_id = pdu.get("room_id") if isinstance(pdu, dict) else None
            if isinstance(room_id, str) and "\0" not in room_id:
                by_room[room_id].append(pdu)
        for room_id, some in by_room.items():
            try:
                name = await self._db.read(_door, RoomId(room_id), origin, RoomId(room_id) in self._entering)
            except MatrixError as error:
                await self._refuse(origin, RoomId(room_id), some, error, results)
                continue
            found[name] = await self._checked(name, some, results)
        return found

    async def _checked(self, name: RoomName, pdus: Sequence[Any], results: Results) -> list[Event]:
        events = []
        for pdu, read in zip(pdus, await self._verify.each(pdus, name.version), strict=True):
            if isinstance(read, Event):
                results[read.event_id] = {}
                events.append(read)
                continue
            log.info("an event is dropped", room=name.room_id, reason=read.message)
            self._told.fates("dropped", 1)
            if (event_id := event_id_of_any(pdu, name.version)) is not None:
                results[event_id] = {"error": read.message}
        return events

    async def _refuse(
        self, origin: ServerName, room_id: RoomId, pdus: Sequence[Any], error: MatrixError, results: Results
    ) -> None:
        """What is said of the events of a room that the server may not send events of."""
        name = await self._db.read(rooms.find, room_id)
        for pdu in pdus:
            event_id = await self._retracted.take(origin, room_id, pdu)
            if event_id is not None:
                results[event_id] = {}
            elif name is not None and (said := event_id_of_any(pdu, name.version)) is not None:
                results[said] = {"error": error.message}
            elif isinstance(written := pdu.get("event_id"), str):
                results[EventId(written)] = {"error": error.message}

    def _known_edus(self, edus: Sequence[Any]) -> tuple[list[tuple[Edu, Any]], list[tuple[Edu, Any]]]:
        """The messages of known types: those that must be stored first, and the others. The rest is dropped."""
        durable: list[tuple[Edu, Any]] = []
        passing: list[tuple[Edu, Any]] = []
        for edu in edus:
            kind, content = (edu.get("edu_type"), edu.get("content")) if isinstance(edu, dict) else (None, None)
            how = self._edus.get(kind) if isinstance(kind, str) else None
            if how is not None and isinstance(content, dict):
                (durable if how.durable else passing).append((how, content))
        return durable, passing


def _door(tx: Transaction, room_id: RoomId, origin: ServerName, is_entering: bool) -> RoomName:
    """The room whose events a server may send. Raises NotFound or Forbidden."""
    room = doors.known(tx, room_id)
    if is_entering:
        return rooms.name(tx, room.nid)
    if not room.is_here:
        raise NotFound("Nobody here is in the room")
    doors.require_allowed(tx, room, origin)
    return rooms.name(tx, room.nid)


def _store(tx: Transaction, taken: _Taken) -> None:
    incoming.take(tx, taken.origin, taken.txn_id, taken.answer, taken.now_ms)
    for name, events in taken.events.items():
        incoming.put(tx, name.nid, events, taken.origin, taken.now_ms)
    for edu, content in taken.edus:
        _take_edu(tx, edu, taken.origin, content, taken.now_ms)


def _take_edu(tx: Transaction, edu: Edu, origin: ServerName, content: Any, now_ms: int) -> None:
    """Takes one message; one that is malformed, or not the server's to send, is dropped."""
    try:
        edu.take(tx, origin, content, now_ms)
    except (MatrixError, msgspec.ValidationError) as error:
        log.info("a message is dropped", origin=origin, reason=str(error))
