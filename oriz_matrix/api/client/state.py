"""The state of rooms. Client-server API, "Getting events for a room", "Sending events to a room"."""

from typing import Any, Literal

import msgspec

from oriz_matrix.api.client.messages import EventIdResponse
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.membership.seen import MEMBER
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject
from oriz_matrix.web.limits import Limit


class StateQuery(msgspec.Struct):
    """Whether to give the content alone, or the whole event."""

    format: Literal["content", "event"] = "content"


@endpoint.get("/rooms/{room_id}/state", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def whole_state(call: UserCall, room_id: RoomId) -> list[msgspec.Raw]:
    """GET /rooms/{roomId}/state."""
    return await call.services.read.state(call.requester, room_id)


@endpoint.get("/rooms/{room_id}/state/{event_type}/{state_key?}", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def state_event(call: UserCall, room_id: RoomId, event_type: str, state_key: str, query: StateQuery) -> Any:
    """GET /rooms/{roomId}/state/{eventType}/{stateKey}."""
    key = (event_type, state_key)
    if query.format == "event":
        return await call.services.read.state_event_json(call.requester, room_id, key)
    return (await call.services.read.state_event(call.requester, room_id, key)).content


@endpoint.put(
    "/rooms/{room_id}/state/{event_type}/{state_key?}",
    versions=CLIENT_R0_V3,
    auth=Auth.USER,
    limit=Limit.STATE,
    guests=True,
)
async def set_state(
    call: UserCall, room_id: RoomId, event_type: str, state_key: str, body: JsonObject
) -> EventIdResponse:
    """PUT /rooms/{roomId}/state/{eventType}/{stateKey}."""
    if event_type == MEMBER:
        return EventIdResponse(await call.services.membership.set(call.requester, room_id, state_key, body))
    return EventIdResponse(await call.services.send.state(call.requester, room_id, event_type, state_key, body))
