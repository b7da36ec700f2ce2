"""Entering and leaving rooms through this server. Server-server API, "Joining Rooms", "Knocking upon a room", "Inviting
to a room", "Leaving Rooms (Rejecting Invites)"."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.services.membership.invited import Brought
from oriz_matrix.services.membership.resident import Ask, Handed
from oriz_matrix.web import endpoint
from oriz_matrix.web.arguments import shaped
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, FEDERATION_V2, Auth, JsonObject
from oriz_matrix.web.responses import JSON, Stream


class Versions(msgspec.Struct):
    """The room versions that the asking server knows."""

    ver: list[str] = msgspec.field(default_factory=lambda: ["1"])


class InviteBody(msgspec.Struct):
    """The body of PUT /invite, version 2."""

    room_version: str
    event: dict[str, Any]
    invite_room_state: list[Any] = []


@endpoint.get("/make_join/{room_id}/{user_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def make_join(call: ServerCall, room_id: RoomId, user_id: str, query: Versions) -> JsonObject:
    """GET /make_join/{roomId}/{userId}."""
    return await call.services.resident.template(Ask(call.origin, room_id, user_id, "join", query.ver))


@endpoint.put("/send_join/{room_id}/{event_id}", versions=FEDERATION_V2, auth=Auth.SERVER, surface=FEDERATION)
async def send_join(call: ServerCall, room_id: RoomId, event_id: str, body: JsonObject) -> Stream:
    """PUT /send_join/{roomId}/{eventId}."""
    return Stream(await call.services.resident.join(Handed(call.origin, room_id, event_id, body, "join")), JSON)


@endpoint.put("/send_join/{room_id}/{event_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def send_join_v1(call: ServerCall, room_id: RoomId, event_id: str, body: JsonObject) -> Stream:
    """PUT /v1/send_join/{roomId}/{eventId}: not in the specification any more, for servers of before."""
    answer = await call.services.resident.join(Handed(call.origin, room_id, event_id, body, "join"))
    return Stream(_after_200(answer), JSON)


@endpoint.get("/make_knock/{room_id}/{user_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def make_knock(call: ServerCall, room_id: RoomId, user_id: str, query: Versions) -> JsonObject:
    """GET /make_knock/{roomId}/{userId}."""
    return await call.services.resident.template(Ask(call.origin, room_id, user_id, "knock", query.ver))


@endpoint.put("/send_knock/{room_id}/{event_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def send_knock(call: ServerCall, room_id: RoomId, event_id: str, body: JsonObject) -> JsonObject:
    """PUT /send_knock/{roomId}/{eventId}."""
    return await call.services.resident.knock(Handed(call.origin, room_id, event_id, body, "knock"))


@endpoint.get("/make_leave/{room_id}/{user_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def make_leave(call: ServerCall, room_id: RoomId, user_id: str) -> JsonObject:
    """GET /make_leave/{roomId}/{userId}."""
    return await call.services.resident.template(Ask(call.origin, room_id, user_id, "leave"))


@endpoint.put("/send_leave/{room_id}/{event_id}", versions=FEDERATION_V2, auth=Auth.SERVER, surface=FEDERATION)
async def send_leave(call: ServerCall, room_id: RoomId, event_id: str, body: JsonObject) -> JsonObject:
    """PUT /send_leave/{roomId}/{eventId}."""
    await call.services.resident.leave(Handed(call.origin, room_id, event_id, body, "leave"))
    return {}


@endpoint.put("/send_leave/{room_id}/{event_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def send_leave_v1(call: ServerCall, room_id: RoomId, event_id: str, body: JsonObject) -> list[Any]:
    """PUT /v1/send_leave/{roomId}/{eventId}: not in the specification any more, for servers of before."""
    await call.services.resident.leave(Handed(call.origin, room_id, event_id, body, "leave"))
    return [200, {}]


@endpoint.put("/invite/{room_id}/{event_id}", versions=FEDERATION_V2, auth=Auth.SERVER, surface=FEDERATION)
async def invite(call: ServerCall, room_id: RoomId, event_id: EventId, body: JsonObject) -> JsonObject:
    """PUT /v2/invite/{roomId}/{eventId}."""
    said = shaped(body, InviteBody)
    brought = Brought(call.origin, room_id, event_id, said.room_version, said.event, said.invite_room_state)
    return {"event": msgspec.Raw((await call.services.invited.take(brought)).encoded)}


@endpoint.put("/invite/{room_id}/{event_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def invite_v1(call: ServerCall, room_id: RoomId, event_id: EventId, body: JsonObject) -> list[Any]:
    """PUT /v1/invite/{roomId}/{eventId}: the event alone, of a room of version 1 or 2."""
    unsigned = body.get("unsigned")
    shown = unsigned.get("invite_room_state") if isinstance(unsigned, dict) else None
    brought = Brought(call.origin, room_id, event_id, "1", body, shown)
    return [200, {"event": msgspec.Raw((await call.services.invited.take(brought)).encoded)}]


async def _after_200(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The form of version 1: a list of the status and the answer."""
    yield b"[200,"
    async for piece in pieces:
        yield piece
    yield b"]"
