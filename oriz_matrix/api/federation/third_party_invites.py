"""Invites by an address that are redeemed. Server-server API, "Third-party invites"."""

import msgspec

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call, ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth, JsonObject


class OnBindBody(msgspec.Struct):
    """The body of PUT /3pid/onbind."""

    medium: str
    address: str
    mxid: str
    invites: list[JsonObject]


@endpoint.put("/exchange_third_party_invite/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def exchange(call: ServerCall, room_id: RoomId, body: JsonObject) -> JsonObject:
    """PUT /exchange_third_party_invite/{roomId}."""
    await call.services.third_party_invites.exchange(call.origin, room_id, body)
    return {}


@endpoint.put("/3pid/onbind", versions=FEDERATION_V1, auth=Auth.NONE, surface=FEDERATION)
async def on_bind(call: Call, body: OnBindBody) -> JsonObject:
    """PUT /3pid/onbind: an identity server calls, which has no key that this server would know."""
    await call.services.third_party_invites.bound(body.mxid, body.invites)
    return {}
