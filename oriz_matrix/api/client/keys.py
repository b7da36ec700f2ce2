"""Keys of devices. Client-server API, "End-to-End Encryption: Key management API"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.tokens import parse_sync
from oriz_matrix.services.encryption.keys import Upload
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth


class UploadBody(msgspec.Struct):
    """The body of POST /keys/upload."""

    device_keys: dict[str, Any] | None = None
    one_time_keys: dict[str, Any] | None = None
    fallback_keys: dict[str, Any] | None = None


class Counts(msgspec.Struct):
    """How many one-time keys are left, by algorithm."""

    one_time_key_counts: dict[str, int]


class QueryBody(msgspec.Struct):
    """The body of POST /keys/query; the timeout in milliseconds."""

    device_keys: dict[str, list[str]]
    timeout: int | None = None


class ClaimBody(msgspec.Struct):
    """The body of POST /keys/claim; the timeout in milliseconds."""

    one_time_keys: dict[str, dict[str, str]]
    timeout: int | None = None


class ChangesQuery(msgspec.Struct, rename={"since": "from"}):
    """The query of GET /keys/changes."""

    since: str
    to: str


class ChangesResponse(msgspec.Struct):
    """Users whose devices changed, and users with whom no room is shared any more."""

    changed: list[UserId] = []
    left: list[UserId] = []


@endpoint.post("/keys/upload", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def upload_keys(call: UserCall, body: UploadBody) -> Counts:
    """POST /keys/upload."""
    upload = Upload(body.device_keys, body.one_time_keys or {}, body.fallback_keys or {})
    return Counts(await call.services.keys.upload(call.requester, upload))


@endpoint.post("/keys/query", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def query_keys(call: UserCall, body: QueryBody) -> dict[str, Any]:
    """POST /keys/query."""
    return await call.services.keys.query(call.requester, body.device_keys, body.timeout)


@endpoint.post("/keys/claim", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True)
async def claim_keys(call: UserCall, body: ClaimBody) -> dict[str, Any]:
    """POST /keys/claim."""
    return await call.services.keys.claim(body.one_time_keys, body.timeout)


@endpoint.get("/keys/changes", versions=CLIENT_R0_V3, auth=Auth.USER)
async def changed_keys(call: UserCall, query: ChangesQuery) -> ChangesResponse:
    """GET /keys/changes."""
    parse_sync(query.to, "to")
    since = parse_sync(query.since, "from")
    return ChangesResponse(**await call.services.sync.changed_devices(call.requester, since))
