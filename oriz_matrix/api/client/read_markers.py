"""The fully-read marker, together with read receipts. Client-server API, "Read and unread markers"."""

import msgspec

from oriz_matrix.protocol.identifiers import EventId, RoomId, parse_event_id
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class ReadMarkers(msgspec.Struct, rename=lambda name: "m." + name.replace("read_private", "read.private")):
    """Up to which event the user has read: for themselves, for everybody to see, and in private."""

    fully_read: str | None = None
    read: str | None = None
    read_private: str | None = None

    def events(self) -> dict[str, EventId]:
        """The events that are named, by the kind of receipt. Raises InvalidParam."""
        named = msgspec.to_builtins(self)
        return {kind: parse_event_id(event_id, kind) for kind, event_id in named.items() if event_id is not None}


@endpoint.post("/rooms/{room_id}/read_markers", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.RECEIPTS)
async def set_read_markers(call: UserCall, room_id: RoomId, body: ReadMarkers) -> dict[str, str]:
    """POST /rooms/{roomId}/read_markers."""
    await call.services.receipts.mark(call.requester, room_id, body.events())
    return {}
