"""Typing notices. Client-server API, "Typing Notifications"."""

import msgspec

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.services.typing_notices import DEFAULT_MS
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class TypingBody(msgspec.Struct):
    """Whether the user types, and for how many milliseconds."""

    typing: bool
    timeout: int = DEFAULT_MS


@endpoint.put("/rooms/{room_id}/typing/{user_id}", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.TYPING)
async def set_typing(call: UserCall, room_id: RoomId, user_id: UserId, body: TypingBody) -> dict[str, str]:
    """PUT /rooms/{roomId}/typing/{userId}."""
    if user_id != call.requester.user_id:
        raise Forbidden("userId: you can type only for yourself")
    await call.services.typing_notices.put(call.requester, room_id, body.timeout if body.typing else None)
    return {}
