"""Events and members of rooms. Client-server API, "Getting events for a room"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.protocol.tokens import parse_page
from oriz_matrix.services.rooms.read import MembersRequest
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth


class MembersQuery(msgspec.Struct):
    """Which members: as of when, with or without which membership."""

    at: str | None = None
    membership: str | None = None
    not_membership: str | None = None


class JoinedMembers(msgspec.Struct):
    """By user, their name and picture."""

    joined: dict[UserId, dict[str, Any]]


class Chunk(msgspec.Struct):
    """A list of events."""

    chunk: list[msgspec.Raw]


@endpoint.get("/rooms/{room_id}/event/{event_id}", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def event(call: UserCall, room_id: RoomId, event_id: EventId) -> msgspec.Raw:
    """GET /rooms/{roomId}/event/{eventId}."""
    return await call.services.read.event(call.requester, room_id, event_id)


@endpoint.get("/rooms/{room_id}/members", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def members(call: UserCall, room_id: RoomId, query: MembersQuery) -> Chunk:
    """GET /rooms/{roomId}/members."""
    at = None if query.at is None else parse_page(query.at, "at")
    wanted = MembersRequest(at, query.membership, query.not_membership)
    return Chunk(await call.services.read.members(call.requester, room_id, wanted))


@endpoint.get("/rooms/{room_id}/joined_members", versions=CLIENT_R0_V3, auth=Auth.USER)
async def joined_members(call: UserCall, room_id: RoomId) -> JoinedMembers:
    """GET /rooms/{roomId}/joined_members."""
    return JoinedMembers(await call.services.read.joined_members(call.requester, room_id))
