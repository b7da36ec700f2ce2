"""What other servers send. Server-server API, "Transactions"."""

from typing import Any

import msgspec

from oriz_matrix.web import endpoint
from oriz_matrix.web.arguments import shaped
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth, JsonObject


class TransactionBody(msgspec.Struct):
    """The body of PUT /send."""

    origin: str
    origin_server_ts: int
    pdus: list[Any] = []
    edus: list[Any] = []


@endpoint.put("/send/{txn_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def send_transaction(call: ServerCall, txn_id: str, body: JsonObject) -> dict[str, Any]:
    """PUT /send/{txnId}. Read as any object: one event with a NUL in it must not keep back all others (traps.md 3)."""
    sent = shaped(body, TransactionBody)
    return await call.services.transactions.take(call.origin, txn_id, sent.origin, sent.pdus, sent.edus)
