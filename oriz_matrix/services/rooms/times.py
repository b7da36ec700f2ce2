"""The event nearest to a time: for users, asking other servers where history is missing here, and for other servers.

Source: client-server API, GET /timestamp_to_event; server-server API, GET /timestamp_to_event.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oriz_matrix.net.peers import uri
from oriz_matrix.protocol.canonical import MAX_INTEGER
from oriz_matrix.protocol.errors import Forbidden, InvalidParam, NotFound
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, parse_event_id
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.queries import Queries, Question
from oriz_matrix.services.rooms import access, doors
from oriz_matrix.services.rooms.history import History
from oriz_matrix.storage import events, gaps, servers, timeline
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.timeline import LATEST, Moment
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, EventNid, UserNid

MOST_ASKED = 3
LARGEST_ANSWER = 65536


class Found(NamedTuple):
    """An event, and when it was sent, in milliseconds."""

    event_id: EventId
    sent: int


class Times:
    """Finds events by their time."""

    def __init__(self, db: Database, queries: Queries, history: History) -> None:
        self._db = db
        self._queries = queries
        self._history = history

    async def for_user(self, requester: Requester, room_id: RoomId, ts: int, *, backwards: bool) -> Found:
        """The event sent at a time, or the nearest before or after it. Raises NotFound, Forbidden.

        Where the room's history has holes here, servers in the room may know a nearer one; its id and time are told
        though the event itself is still to be fetched.
        """
        others = await self._db.read(_others, requester.user, room_id)
        try:
            event = await self._history.at_time(requester, room_id, ts, backwards=backwards)
            found: Found | None = Found(event.event_id, event.origin_server_ts)
        except NotFound:
            found = None
        for server in others:
            try:
                told = await self._queries.ask(server, _question(room_id, ts, backwards=backwards))
            except (NotFound, Forbidden):
                continue
            if found is None or abs(told.sent - ts) < abs(found.sent - ts):
                found = told
            break
        if found is None:
            raise NotFound("There is no event on that side of the time")
        return found

    async def for_server(self, origin: ServerName, room_id: RoomId, ts: int, *, backwards: bool) -> Found:
        """The same for another server that is in the room, of what is known here.

        Only its id and time are told, which no rule of history visibility hides from those who are in the room: they
        know the ids from the events that follow.
        """
        event = await self._db.read(_nearest, origin, room_id, ts, backwards=backwards)
        return Found(event.event_id, event.origin_server_ts)


def _others(tx: Transaction, user: UserNid, room_id: RoomId) -> list[ServerName]:
    """Whom to ask: nobody where the whole history is here, or the user is not in the room now."""
    view = access.view(tx, user, room_id)
    if view.membership != "join" or gaps.before(tx, view.name.nid, FOREVER) is None:
        return []
    return servers.in_room(tx, view.name.nid)[:MOST_ASKED]


def _question(room_id: RoomId, ts: int, *, backwards: bool) -> Question[Found]:
    def read(content: Mapping[str, Any]) -> Found:
        event_id, sent = parse_event_id(content.get("event_id"), "event_id"), content.get("origin_server_ts")
        if type(sent) is not int or abs(sent) > MAX_INTEGER or (sent > ts if backwards else sent < ts):
            raise InvalidParam("origin_server_ts: not on the side that was asked for")
        return Found(event_id, sent)

    query = [("ts", str(ts)), ("dir", "b" if backwards else "f")]
    return Question(
        uri=uri("/_matrix/federation/v1/timestamp_to_event", room_id, query=query),
        read=read,
        missing="There is no event on that side of the time",
        largest=LARGEST_ANSWER,
    )


def _nearest(tx: Transaction, origin: ServerName, room_id: RoomId, ts: int, *, backwards: bool) -> Event:
    room = doors.entered(tx, room_id, origin)
    step = timeline.sent_until if backwards else timeline.sent_from
    moment = Moment(min(max(ts, -1), LATEST), EventNid(LATEST if backwards else -1))
    for (_, event), _ in step(tx, room.nid, moment, 1):
        return events.load(tx, [event])[event]
    raise NotFound("There is no event on that side of the time")
