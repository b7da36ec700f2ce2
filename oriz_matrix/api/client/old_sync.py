"""What clients used before /sync. Client-server API, "Room Previews", and operations that it calls deprecated."""

from typing import Annotated, Any

import msgspec

from oriz_matrix.protocol.filters import DEFAULT_LIMIT
from oriz_matrix.protocol.identifiers import EventId, RoomId, parse_room_id
from oriz_matrix.protocol.tokens import parse_page
from oriz_matrix.services.sync.event_stream import EventsRequest
from oriz_matrix.services.sync.snapshots import SnapshotRequest
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth

Count = Annotated[int, msgspec.Meta(ge=0)]


class EventsQuery(msgspec.Struct, kw_only=True):
    """The query of GET /events; the timeout in milliseconds. `limit` was never specified, and is only checked."""

    from_: str | None = msgspec.field(name="from", default=None)
    timeout: Count = 0
    room_id: str | None = None
    limit: Count | None = None


class InitialSyncQuery(msgspec.Struct):
    """The query of GET /initialSync."""

    limit: Count = DEFAULT_LIMIT
    archived: bool = False


class RoomInitialSyncQuery(msgspec.Struct):
    """The query of GET /rooms/{roomId}/initialSync; its `limit` is not in the specification any more."""

    limit: Count = DEFAULT_LIMIT


@endpoint.get("/events", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True, cancellable=True)
async def events(call: UserCall, query: EventsQuery) -> dict[str, Any]:
    """GET /events."""
    start = None if query.from_ is None else parse_page(query.from_)
    room_id = None if query.room_id is None else parse_room_id(query.room_id, "room_id")
    request = EventsRequest(start, query.timeout / 1000, room_id)
    return await call.services.event_stream.respond(call.requester, request)


@endpoint.get("/events/{event_id}", versions=CLIENT_R0_V3, auth=Auth.USER)
async def one_event(call: UserCall, event_id: EventId) -> msgspec.Raw:
    """GET /events/{eventId}."""
    return await call.services.event_stream.event(call.requester, event_id)


@endpoint.get("/initialSync", versions=CLIENT_R0_V3, auth=Auth.USER)
async def initial_sync(call: UserCall, query: InitialSyncQuery) -> dict[str, Any]:
    """GET /initialSync."""
    return await call.services.snapshots.account(call.requester, SnapshotRequest(query.limit, query.archived))


@endpoint.get("/rooms/{room_id}/initialSync", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def room_initial_sync(call: UserCall, room_id: RoomId, query: RoomInitialSyncQuery) -> dict[str, Any]:
    """GET /rooms/{roomId}/initialSync."""
    return await call.services.snapshots.room(call.requester, room_id, query.limit)
