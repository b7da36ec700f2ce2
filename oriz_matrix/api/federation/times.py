"""Events by time, for other servers. Server-server API, "Retrieving events"."""

from typing import Literal

import msgspec

from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth


class TimeQuery(msgspec.Struct, kw_only=True):
    """The query of GET /timestamp_to_event: milliseconds, and in which direction to look."""

    ts: int
    dir: Literal["b", "f"]


class TimeResponse(msgspec.Struct):
    """The event that was found."""

    event_id: EventId
    origin_server_ts: int


@endpoint.get("/timestamp_to_event/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_event_at_time(call: ServerCall, room_id: RoomId, query: TimeQuery) -> TimeResponse:
    """GET /timestamp_to_event/{roomId}."""
    return TimeResponse(
        *await call.services.times.for_server(call.origin, room_id, query.ts, backwards=query.dir == "b")
    )
