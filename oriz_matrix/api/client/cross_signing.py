"""Cross-signing keys and signatures. Client-server API, "Cross-signing"."""

from typing import Any

import msgspec

from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_V3, Auth, JsonObject


class SigningKeysBody(msgspec.Struct, omit_defaults=True):
    """The body of POST /keys/device_signing/upload."""

    master_key: dict[str, Any] | None = None
    self_signing_key: dict[str, Any] | None = None
    user_signing_key: dict[str, Any] | None = None
    auth: dict[str, Any] | None = None


class SignaturesResponse(msgspec.Struct):
    """The errors of signatures that were not taken, by user and name of the key."""

    failures: dict[str, dict[str, dict[str, Any]]]


@endpoint.post(
    "/keys/device_signing/upload",
    versions=CLIENT_V3,
    unstable=("/keys/device_signing/upload",),
    auth=Auth.USER,
)
async def upload_signing_keys(call: UserCall, body: SigningKeysBody) -> dict[str, str]:
    """POST /keys/device_signing/upload."""
    given = msgspec.to_builtins(body)
    auth = given.pop("auth", None)
    await call.services.cross_signing.upload(call.requester, given, auth)
    return {}


@endpoint.post("/keys/signatures/upload", versions=CLIENT_V3, unstable=("/keys/signatures/upload",), auth=Auth.USER)
async def upload_signatures(call: UserCall, body: JsonObject) -> SignaturesResponse:
    """POST /keys/signatures/upload."""
    return SignaturesResponse(await call.services.cross_signing.sign(call.requester, body))
