"""GET /sync. Client-server API, "Syncing"."""

from typing import Any, Literal

import msgspec

from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.filters import NO_FILTER, Filter, is_inline, parse_filter, parse_inline_filter
from oriz_matrix.protocol.tokens import parse_sync
from oriz_matrix.services.sync.respond import SyncRequest
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth


class SyncQuery(msgspec.Struct):
    """The query of GET /sync; the timeout in milliseconds."""

    filter: str | None = None
    since: str | None = None
    full_state: bool = False
    use_state_after: bool = False
    set_presence: Literal["online", "offline", "unavailable"] = "online"
    timeout: int = 0


@endpoint.get("/sync", versions=CLIENT_R0_V3, auth=Auth.USER, guests=True, cancellable=True)
async def sync(call: UserCall, query: SyncQuery) -> dict[str, Any]:
    """GET /sync."""
    if query.timeout < 0:
        raise InvalidParam("timeout: must not be negative")
    request = SyncRequest(
        since=None if not query.since else parse_sync(query.since),
        filter=await _filter(call, query.filter),
        timeout_s=query.timeout / 1000,
        full_state=query.full_state,
        use_state_after=query.use_state_after,
    )
    return await call.services.sync.respond(call.requester, request)


async def _filter(call: UserCall, text: str | None) -> Filter:
    """The filter that a request carries, or names by its id."""
    if text is None:
        return NO_FILTER
    if is_inline(text):
        return parse_inline_filter(text)
    stored = await call.services.filters.get(call.requester, text)
    return parse_filter(msgspec.json.decode(stored))
