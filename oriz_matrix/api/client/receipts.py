"""Read receipts. Client-server API, "Receipts"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth
from oriz_matrix.web.limits import Limit


class ReceiptBody(msgspec.Struct):
    """The thread that was read; without it all threads were."""

    thread_id: Any = msgspec.UNSET

    def thread(self) -> str | None:
        """The thread, if one is named. Raises InvalidParam, as the specification wants it for this member."""
        if self.thread_id is msgspec.UNSET:
            return None
        if not isinstance(self.thread_id, str) or not self.thread_id:
            raise InvalidParam("thread_id: must be a string that is not empty")
        return self.thread_id


@endpoint.post(
    "/rooms/{room_id}/receipt/{kind}/{event_id}", versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.RECEIPTS
)
async def put_receipt(
    call: UserCall, room_id: RoomId, kind: str, event_id: EventId, body: ReceiptBody
) -> dict[str, str]:
    """POST /rooms/{roomId}/receipt/{receiptType}/{eventId}."""
    await call.services.receipts.put(call.requester, room_id, kind, event_id, body.thread())
    return {}
