"""Entering and leaving rooms. Client-server API, "Room membership"."""

import msgspec

from oriz_matrix.api.client.create_room import RoomIdResponse
from oriz_matrix.protocol.errors import Forbidden, MissingParam
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.membership.change import Joining
from oriz_matrix.web import endpoint
from oriz_matrix.web.arguments import shaped
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, CLIENT_V3, Auth, JsonObject, OptionalJsonObject
from oriz_matrix.web.limits import Limit


class JoinBody(msgspec.Struct, kw_only=True):
    """The body of a join. What else clients put there goes into their member event: never specified, and done."""

    reason: str | None = None
    third_party_signed: dict[str, object] | None = None


def wish(body: JsonObject) -> Joining:
    """What a client says with a join. Raises BadJson."""
    known = shaped(body, JoinBody)
    return Joining(
        known.reason, {name: value for name, value in body.items() if name not in JoinBody.__struct_fields__}
    )


class Via(msgspec.Struct):
    """Servers through which a room may be entered; `server_name` is the older name."""

    via: list[str] = []
    server_name: list[str] = []

    @property
    def servers(self) -> list[str]:
        """All of them."""
        return [*self.via, *self.server_name]


class LeaveBody(msgspec.Struct):
    """The body of a leave."""

    reason: str | None = None


class KnockBody(msgspec.Struct):
    """The body of a knock."""

    reason: str | None = None


class OtherBody(msgspec.Struct):
    """The body of what is done to somebody else."""

    user_id: str
    reason: str | None = None


class InviteBody(msgspec.Struct, kw_only=True):
    """The body of an invite: of a user, or of a third-party identifier."""

    user_id: str | None = None
    reason: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None
    medium: str | None = None
    address: str | None = None

    @property
    def is_third_party(self) -> bool:
        """Whether anything of a third-party identifier is given."""
        return any(each is not None for each in (self.id_server, self.id_access_token, self.medium, self.address))


class JoinedRooms(msgspec.Struct):
    """The rooms that a user is in."""

    joined_rooms: list[RoomId]


@endpoint.post("/join/{room}", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.JOINS, guests=True)
async def join(call: UserCall, room: str, body: OptionalJsonObject, query: Via) -> RoomIdResponse:
    """POST /join/{roomIdOrAlias}."""
    return RoomIdResponse(await call.services.membership.join(call.requester, room, wish(body), query.servers))


@endpoint.post("/rooms/{room_id}/join", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.JOINS, guests=True)
async def join_by_id(call: UserCall, room_id: RoomId, body: OptionalJsonObject) -> RoomIdResponse:
    """POST /rooms/{roomId}/join."""
    return RoomIdResponse(await call.services.membership.join(call.requester, room_id, wish(body)))


@endpoint.post("/rooms/{room_id}/leave", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL, guests=True)
async def leave(call: UserCall, room_id: RoomId, body: LeaveBody) -> dict[str, str]:
    """POST /rooms/{roomId}/leave."""
    await call.services.membership.leave(call.requester, room_id, body.reason)
    return {}


@endpoint.post("/rooms/{room_id}/invite", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.INVITES)
async def invite(call: UserCall, room_id: RoomId, body: InviteBody) -> dict[str, str]:
    """POST /rooms/{roomId}/invite."""
    if body.user_id is None and body.is_third_party:
        raise Forbidden("address: this server has no identity server to ask")
    if body.user_id is None:
        raise MissingParam("user_id is missing")
    await call.services.membership.invite(call.requester, room_id, body.user_id, body.reason)
    return {}


@endpoint.post("/knock/{room}", versions=CLIENT_V3, auth=Auth.USER, limit=Limit.JOINS)
async def knock(call: UserCall, room: str, body: KnockBody, query: Via) -> RoomIdResponse:
    """POST /knock/{roomIdOrAlias}."""
    return RoomIdResponse(await call.services.membership.knock(call.requester, room, body.reason, query.servers))


@endpoint.post("/rooms/{room_id}/kick", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.STATE)
async def kick(call: UserCall, room_id: RoomId, body: OtherBody) -> dict[str, str]:
    """POST /rooms/{roomId}/kick."""
    await call.services.membership.kick(call.requester, room_id, body.user_id, body.reason)
    return {}


@endpoint.post("/rooms/{room_id}/ban", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.STATE)
async def ban(call: UserCall, room_id: RoomId, body: OtherBody) -> dict[str, str]:
    """POST /rooms/{roomId}/ban."""
    await call.services.membership.ban(call.requester, room_id, body.user_id, body.reason)
    return {}


@endpoint.post("/rooms/{room_id}/unban", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.STATE)
async def unban(call: UserCall, room_id: RoomId, body: OtherBody) -> dict[str, str]:
    """POST /rooms/{roomId}/unban."""
    await call.services.membership.unban(call.requester, room_id, body.user_id, body.reason)
    return {}


@endpoint.post("/rooms/{room_id}/forget", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL)
async def forget(call: UserCall, room_id: RoomId) -> dict[str, str]:
    """POST /rooms/{roomId}/forget."""
    await call.services.membership.forget(call.requester, room_id)
    return {}


@endpoint.get("/joined_rooms", versions=CLIENT_R0_V3, auth=Auth.USER)
async def joined_rooms(call: UserCall) -> JoinedRooms:
    """GET /joined_rooms."""
    return JoinedRooms(await call.services.membership.joined(call.requester))
