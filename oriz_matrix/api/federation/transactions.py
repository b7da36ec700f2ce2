"""What other servers send. Server-server API, "Transactions"."""

from typing import Any

import msgspec

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth, JsonObject


class TransactionBody(msgspec.Struct):
    """The body of PUT /send."""

    origin: str
    origin_server_ts: int
    pdus: list[Any] = []
    edus: list[Any] = []


@endpoint.put("/send/{txn_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def send_transaction(call: ServerCall, txn_id: str, body: TransactionBody) -> JsonObject:
    """PUT /send/{txnId}."""
    return await call.services.transactions.take(call.origin, txn_id, body.origin, body.pdus, body.edus)
