"""The keys of servers. Server-server API, "Retrieving server keys"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import KEYS, KEYS_V2, Auth, JsonObject


class Criteria(msgspec.Struct):
    """Up to when a key shall be good, in milliseconds; by default now."""

    minimum_valid_until_ts: int | None = None


class KeysQuery(msgspec.Struct):
    """The body of POST /query: what is wanted, by server and key id."""

    server_keys: dict[str, dict[str, Criteria]]


class ServerKeysResponse(msgspec.Struct):
    """The answer of a notary."""

    server_keys: list[dict[str, Any]]


@endpoint.get("/server", versions=KEYS_V2, auth=Auth.NONE, surface=KEYS)
async def get_server_keys(call: Call) -> JsonObject:
    """GET /server."""
    return call.services.server_keys.published()


@endpoint.get("/server/{key_id}", versions=KEYS_V2, auth=Auth.NONE, surface=KEYS)
async def get_server_key(call: Call, key_id: str) -> JsonObject:
    """GET /server/{keyId}: not in the specification any more, for servers of before; they get all keys."""
    del key_id
    return call.services.server_keys.published()


@endpoint.get("/query/{server_name}", versions=KEYS_V2, auth=Auth.NONE, surface=KEYS)
async def query_server(call: Call, server_name: ServerName, query: Criteria) -> ServerKeysResponse:
    """GET /query/{serverName}."""
    return ServerKeysResponse(await call.services.server_keys.notarize({server_name: {}}, query.minimum_valid_until_ts))


@endpoint.get("/query/{server_name}/{key_id}", versions=KEYS_V2, auth=Auth.NONE, surface=KEYS)
async def query_server_key(call: Call, server_name: ServerName, key_id: str, query: Criteria) -> ServerKeysResponse:
    """GET /query/{serverName}/{keyId}: not in the specification any more, for servers of before."""
    wanted: dict[str, dict[str, int | None]] = {server_name: {key_id: query.minimum_valid_until_ts}}
    return ServerKeysResponse(await call.services.server_keys.notarize(wanted))


@endpoint.post("/query", versions=KEYS_V2, auth=Auth.NONE, surface=KEYS)
async def query_servers(call: Call, body: KeysQuery) -> ServerKeysResponse:
    """POST /query."""
    wanted = {
        server: {key_id: each.minimum_valid_until_ts for key_id, each in criteria.items()}
        for server, criteria in body.server_keys.items()
    }
    return ServerKeysResponse(await call.services.server_keys.notarize(wanted))
