"""History and states of rooms. Server-server API, "Backfilling and retrieving missing events", "Retrieving events",
"Authorization rules"."""

from typing import Annotated

import msgspec

from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.services.federation_answers.history import MissingRequest
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import ServerCall
from oriz_matrix.web.endpoint import FEDERATION, FEDERATION_V1, Auth, JsonObject
from oriz_matrix.web.responses import JSON, Stream


class AtEvent(msgspec.Struct):
    """Before which event a state is wanted."""

    event_id: EventId


class BackfillQuery(msgspec.Struct):
    """From which events to go back, and how many are wanted with them."""

    v: list[EventId]
    limit: Annotated[int, msgspec.Meta(ge=1)]


class MissingBody(msgspec.Struct):
    """What a server has, and what it lacks the previous events of. Some leave these out, though they must not."""

    latest_events: list[EventId] = []
    earliest_events: list[EventId] = []
    limit: Annotated[int, msgspec.Meta(ge=1)] = 10
    min_depth: int = 0


class StateIdsResponse(msgspec.Struct):
    """A state and what authorizes it, by ids."""

    auth_chain_ids: list[EventId]
    pdu_ids: list[EventId]


@endpoint.get("/state/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_state(call: ServerCall, room_id: RoomId, query: AtEvent) -> Stream:
    """GET /state/{roomId}."""
    return Stream(await call.services.state_answers.state(call.origin, room_id, query.event_id), JSON)


@endpoint.get("/state_ids/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_state_ids(call: ServerCall, room_id: RoomId, query: AtEvent) -> StateIdsResponse:
    """GET /state_ids/{roomId}."""
    found = await call.services.state_answers.state_ids(call.origin, room_id, query.event_id)
    return StateIdsResponse(auth_chain_ids=found.auth_chain_ids, pdu_ids=found.pdu_ids)


@endpoint.get("/event_auth/{room_id}/{event_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_event_auth(call: ServerCall, room_id: RoomId, event_id: EventId) -> Stream:
    """GET /event_auth/{roomId}/{eventId}."""
    return Stream(await call.services.state_answers.auth_chain(call.origin, room_id, event_id), JSON)


@endpoint.get("/event/{event_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_event(call: ServerCall, event_id: EventId) -> JsonObject:
    """GET /event/{eventId}."""
    return await call.services.history_answers.event(call.origin, event_id)


@endpoint.get("/backfill/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def backfill(call: ServerCall, room_id: RoomId, query: BackfillQuery) -> JsonObject:
    """GET /backfill/{roomId}."""
    return await call.services.history_answers.backfill(call.origin, room_id, query.v, query.limit)


@endpoint.post("/get_missing_events/{room_id}", versions=FEDERATION_V1, auth=Auth.SERVER, surface=FEDERATION)
async def get_missing_events(call: ServerCall, room_id: RoomId, body: MissingBody) -> JsonObject:
    """POST /get_missing_events/{roomId}."""
    request = MissingRequest(body.latest_events, body.earliest_events, body.limit, body.min_depth)
    return await call.services.history_answers.missing(call.origin, room_id, request)
