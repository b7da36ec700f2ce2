"""Sending events and reading history. Client-server API, "Sending events to a room", "Redactions", "Getting events"."""

from typing import Any, Literal

import msgspec

from oriz_matrix.protocol.filters import parse_room_event_filter
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.tokens import parse_page
from oriz_matrix.services.rooms.read import PageRequest, check_limit
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject
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
    return await call.services.read.messages(call.requester, room_id, request)
