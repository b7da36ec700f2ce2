"""Messages to devices. Client-server API, "Send-to-Device messaging"."""

from typing import Any

import msgspec

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth


class MessagesBody(msgspec.Struct):
    """The contents by user and device."""

    messages: dict[str, dict[str, dict[str, Any]]]


@endpoint.put("/sendToDevice/{event_type}/{txn_id}", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def send_to_device(call: UserCall, event_type: str, txn_id: str, body: MessagesBody) -> dict[str, str]:
    """PUT /sendToDevice/{eventType}/{txnId}."""
    await call.services.to_device.send(call.requester, event_type, txn_id, body.messages)
    return {}
