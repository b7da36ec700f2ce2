"""Sending events and reading history. Client-server API, "Sending events to a room", "Redactions", "Getting events"."""

from typing import Any, Literal

import msgspec

from oriz_matrix.protocol.filters import parse_room_event_filter
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.tokens import parse_page
from oriz_matrix.services.rooms.history import ContextRequest, PageRequest, check_limit
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, CLIENT_V1, Auth, JsonObject
from oriz_matrix.web.limits import Limit


class EventIdResponse(msgspec.Struct):
    """The event that was sent."""

    event_id: EventId


class MessagesQuery(msgspec.Struct, kw_only=True):
    """The query of GET /messages."""

    dir: Literal["b", "f"]
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    limit: int = 10
    filter: str | None = None


class ContextQuery(msgspec.Struct, kw_only=True):
    """The query of GET /context."""

    limit: int = 10
    filter: str | None = None


class TimeQuery(msgspec.Struct, kw_only=True):
    """The query of GET /timestamp_to_event: milliseconds, and in which direction to look."""

    ts: int
    dir: Literal["b", "f"]


class TimeResponse(msgspec.Struct):
    """The event that was found."""

    event_id: EventId
    origin_server_ts: int


@endpoint.put(
    "/rooms/{room_id}/send/{event_type}/{txn_id}",
    versions=CLIENT_R0_V3,
    auth=Auth.USER,
    limit=Limit.MESSAGES,
    guests=True,
)
async def send_message(
    call: UserCall, room_id: RoomId, event_type: str, txn_id: str, body: JsonObject
) -> EventIdResponse:
    """PUT /rooms/{roomId}/send/{eventType}/{txnId}."""
    return EventIdResponse(await call.services.send.message(call.requester, room_id, event_type, body, txn_id))


@endpoint.put(
    "/rooms/{room_id}/redact/{event_id}/{txn_id}", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.MESSAGES
)
async def redact(call: UserCall, room_id: RoomId, event_id: EventId, txn_id: str, body: JsonObject) -> EventIdResponse:
    """PUT /rooms/{roomId}/redact/{eventId}/{txnId}."""
    return EventIdResponse(await call.services.send.redaction(call.requester, room_id, event_id, body, txn_id))


@endpoint.post(
    "/rooms/{room_id}/send/{event_type}", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.MESSAGES, guests=True
)
async def send_untold(call: UserCall, room_id: RoomId, event_type: str, body: JsonObject) -> EventIdResponse:
    """POST /rooms/{roomId}/send/{eventType}: never specified, but known to clients; a repetition sends once more."""
    return EventIdResponse(await call.services.send.message(call.requester, room_id, event_type, body))


@endpoint.post("/rooms/{room_id}/redact/{event_id}", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.MESSAGES)
async def redact_untold(call: UserCall, room_id: RoomId, event_id: EventId, body: JsonObject) -> EventIdResponse:
    """POST /rooms/{roomId}/redact/{eventId}: never specified, but known to clients; a repetition redacts once more."""
    return EventIdResponse(await call.services.send.redaction(call.requester, room_id, event_id, body))


@endpoint.get("/rooms/{room_id}/messages", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def messages(call: UserCall, room_id: RoomId, query: MessagesQuery) -> dict[str, Any]:
    """GET /rooms/{roomId}/messages."""
    wanted = parse_room_event_filter(query.filter)
    request = PageRequest(
        start=None if query.from_ is None else parse_page(query.from_, "from"),
        backwards=query.dir == "b",
        to=None if query.to is None else parse_page(query.to, "to"),
        limit=check_limit(query.limit),
        filter=wanted,
    )
    return await call.services.history.messages(call.requester, room_id, request)


@endpoint.get("/rooms/{room_id}/context/{event_id}", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def context(call: UserCall, room_id: RoomId, event_id: EventId, query: ContextQuery) -> dict[str, Any]:
    """GET /rooms/{roomId}/context/{eventId}."""
    wanted = parse_room_event_filter(query.filter)
    request = ContextRequest(event_id, check_limit(query.limit, least=0), wanted)
    return await call.services.history.context(call.requester, room_id, request)


@endpoint.get("/rooms/{room_id}/timestamp_to_event", versions=CLIENT_V1, auth=Auth.USER, limit=Limit.GENERAL)
async def event_at_time(call: UserCall, room_id: RoomId, query: TimeQuery) -> TimeResponse:
    """GET /rooms/{roomId}/timestamp_to_event."""
    return TimeResponse(
        *await call.services.times.for_user(call.requester, room_id, query.ts, backwards=query.dir == "b")
    )
