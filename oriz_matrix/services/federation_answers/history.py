"""Single events and stretches of a room's history, as another server in the room may have them.

Source: server-server API, "Backfilling and retrieving missing events", "Retrieving events", "Soft failure".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import NotFound
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.services.federation_answers import sight, walk
from oriz_matrix.services.federation_answers.walk import Found, Steps
from oriz_matrix.services.rooms import doors
from oriz_matrix.storage import events, graph, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction

MOST_BACKFILLED = 100
MOST_MISSING = 20
MOST_NAMED = 100
"""Events that one request may start from or stop at; more are not looked at."""


class MissingRequest(NamedTuple):
    """What is asked for by /get_missing_events: what lies between the events that a server has already and those whose
    previous events it lacks."""

    latest: Sequence[EventId]
    earliest: Sequence[EventId]
    limit: int
    min_depth: int


class HistoryAnswers:
    """Answers for other servers. Everything raises NotFound for what is not known here, and Forbidden for servers that
    are not in the room or are kept out of it."""

    def __init__(self, db: Database, clock: Clock, server_name: ServerName) -> None:
        self._db = db
        self._clock = clock
        self._server_name = server_name

    async def event(self, origin: ServerName, event_id: EventId) -> dict[str, Any]:
        """One event, in the form of a transaction."""
        return self._transaction(await self._db.read(_event, origin, event_id))

    async def backfill(
        self, origin: ServerName, room_id: RoomId, start: Sequence[EventId], limit: int
    ) -> dict[str, Any]:
        """Events and what was before them, in the form of a transaction, the newest first."""
        asked = start[:MOST_NAMED]
        return self._transaction(await self._db.read(_backfill, origin, room_id, asked, min(limit, MOST_BACKFILLED)))

    async def missing(self, origin: ServerName, room_id: RoomId, request: MissingRequest) -> dict[str, Any]:
        """The events that a server lacks, the oldest first."""
        request = request._replace(
            latest=request.latest[:MOST_NAMED],
            earliest=request.earliest[:MOST_NAMED],
            limit=min(request.limit, MOST_MISSING),
        )
        return {"events": _raw(await self._db.read(_missing, origin, room_id, request))}

    def _transaction(self, pdus: Sequence[bytes]) -> dict[str, Any]:
        return {"origin": self._server_name, "origin_server_ts": self._clock.now_ms(), "pdus": _raw(pdus)}


def _raw(pdus: Sequence[bytes]) -> list[msgspec.Raw]:
    return [msgspec.Raw(pdu) for pdu in pdus]


def _event(tx: Transaction, origin: ServerName, event_id: EventId) -> list[bytes]:
    for node in graph.nodes(tx, list(events.find(tx, [event_id]).values())):
        room = doors.entered(tx, rooms.name(tx, node.room).room_id, origin)
        found = [Found(node, event) for event in events.load(tx, [node.event]).values()]
        return sight.pdus(tx, room.nid, origin, found)
    raise NotFound("This server does not know the event")


def _backfill(
    tx: Transaction, origin: ServerName, room_id: RoomId, start: Sequence[EventId], limit: int
) -> list[bytes]:
    room = doors.entered(tx, room_id, origin)
    found = walk.back(Steps(tx, room.nid, ahead=limit), start, limit)
    return sight.pdus(tx, room.nid, origin, found)


def _missing(tx: Transaction, origin: ServerName, room_id: RoomId, request: MissingRequest) -> list[bytes]:
    room = doors.entered(tx, room_id, origin)
    steps = Steps(tx, room.nid, ahead=request.limit)
    front = [before for one in steps.get(request.latest) for before in one.event.prev_event_ids]
    seen = {*request.latest, *request.earliest}
    found = walk.back(steps, front, request.limit, seen, request.min_depth)
    return sight.pdus(tx, room.nid, origin, walk.in_order(found))
