"""Devices and keys of this server's users. Server-server API, "Device Management", "End-to-End Encryption"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth


class QueryBody(msgspec.Struct):
    """The devices that are wanted of each user; none stands for all."""

    device_keys: dict[str, list[str]]


class ClaimBody(msgspec.Struct):
    """The devices of which a key is wanted, each with an algorithm."""

    one_time_keys: dict[str, dict[str, str]]


@endpoint.get("/user/devices/{user_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_user_devices(call: ServerCall, user_id: UserId) -> dict[str, Any]:
    """GET /user/devices/{userId}."""
    return await call.services.key_answers.devices(user_id)


@endpoint.post("/user/keys/query", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def query_user_keys(call: ServerCall, body: QueryBody) -> dict[str, Any]:
    """POST /user/keys/query."""
    return await call.services.key_answers.query(body.device_keys)


@endpoint.post("/user/keys/claim", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def claim_user_keys(call: ServerCall, body: ClaimBody) -> dict[str, Any]:
    """POST /user/keys/claim."""
    return await call.services.key_answers.claim(body.one_time_keys)
