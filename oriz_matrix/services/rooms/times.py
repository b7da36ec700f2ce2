"""The event nearest to a time, for another server that is in the room.

Only its id and time are told, which no rule of history visibility hides from those who are in the room: they know the
ids from the events that follow. Source: server-server API, GET /timestamp_to_event.
"""

from oriz_matrix.protocol.errors import NotFound
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import RoomId, ServerName
from oriz_matrix.services.rooms import doors
from oriz_matrix.storage import events, timeline
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.timeline import LATEST, Moment
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid


class TimeAnswers:
    """Answers for other servers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def nearest(self, origin: ServerName, room_id: RoomId, ts: int, *, backwards: bool) -> Event:
        """The event sent at a time (milliseconds), or the nearest before or after it. Raises NotFound, Forbidden."""
        return await self._db.read(_nearest, origin, room_id, ts, backwards=backwards)


def _nearest(tx: Transaction, origin: ServerName, room_id: RoomId, ts: int, *, backwards: bool) -> Event:
    room = doors.entered(tx, room_id, origin)
    step = timeline.sent_until if backwards else timeline.sent_from
    moment = Moment(min(max(ts, -1), LATEST), EventNid(LATEST if backwards else -1))
    for (_, event), _ in step(tx, room.nid, moment, 1):
        return events.load(tx, [event])[event]
    raise NotFound("There is no event on that side of the time")
