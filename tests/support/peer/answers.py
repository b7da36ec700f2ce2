"""What a good server answers to each operation of the server-server API, from the rooms that a peer holds."""

import time
from collections.abc import Iterable
from typing import Any

from oriz_matrix.protocol.event_builder import countersigned
from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.stripped_state import shown_events
from tests.support.in_process import Answer
from tests.support.peer.peer import V1, V2, Asked, Operation, Peer
from tests.support.peer.room import Json, PeerRoom

HOUR_MS = 3_600_000
AUTHORISER = "join_authorised_via_users_server"


def refusal(status: int, errcode: str, **more: Any) -> Answer:
    """An error."""
    return Answer(status, {"errcode": errcode, "error": errcode, **more})


async def keys(peer: Peer, asked: Asked) -> Any:
    return publish(peer.name, peer.key, {}, time.time_ns() // 1_000_000 + HOUR_MS)


async def version(peer: Peer, asked: Asked) -> Any:
    return {"server": {"name": "Peer", "version": "1"}}


async def make_join(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms.get(asked.at["room"])
    if room is None:
        return refusal(404, "M_NOT_FOUND")
    if room.version.name not in asked.query.get("ver", ["1"]):
        return refusal(400, "M_INCOMPATIBLE_ROOM_VERSION", room_version=room.version.name)
    return {"room_version": room.version.name, "event": room.template(asked.at["user"], "join", **_authorised(room))}


async def send_join(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    event = room.read(asked.body)
    if AUTHORISER in event.content:
        event = countersigned(event, peer.name, peer.key)
    before = room.state()
    state = [room.known[each] for each in before.values()]
    room.add(event)
    return {
        "origin": peer.name,
        "event": event.pdu,
        "state": _pdus(state),
        "auth_chain": _pdus(room.auth_chain([*before.values(), event.event_id])),
        "members_omitted": False,
        "servers_in_room": room.servers(),
    }


async def make_leave(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    return {"room_version": room.version.name, "event": room.template(asked.at["user"], "leave")}


async def send_leave(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    room.add(room.read(asked.body))
    return {}


async def make_knock(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    return {"room_version": room.version.name, "event": room.template(asked.at["user"], "knock")}


async def send_knock(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    event = room.read(asked.body)
    room.add(event)
    return {"knock_room_state": shown(room, event.sender)}


def shown(room: PeerRoom, sender: str) -> list[Json]:
    """What an invite or a knock shows of a room."""
    state = {key: room.known[each] for key, each in room.state().items()}
    return _pdus(shown_events(state, sender))


async def invite(peer: Peer, asked: Asked) -> Any:
    version = ROOM_VERSIONS[asked.body["room_version"]]
    event = countersigned(event_from_pdu(asked.body["event"], version), peer.name, peer.key)
    peer.invites[asked.at["room"]] = event
    return {"event": event.pdu}


async def state(peer: Peer, asked: Asked) -> Any:
    events, chain = _state(peer, asked)
    return {"pdus": _pdus(events), "auth_chain": _pdus(chain)}


async def state_ids(peer: Peer, asked: Asked) -> Any:
    events, chain = _state(peer, asked)
    return {"pdu_ids": [e.event_id for e in events], "auth_chain_ids": [e.event_id for e in chain]}


def _state(peer: Peer, asked: Asked) -> tuple[list[Event], list[Event]]:
    room = peer.rooms[asked.at["room"]]
    ids = room.before(EventId(asked.query["event_id"][0])).values()
    return [room.known[each] for each in ids], room.auth_chain(ids)


async def event(peer: Peer, asked: Asked) -> Any:
    for room in peer.rooms.values():
        if (found := room.known.get(EventId(asked.at["event"]))) is not None:
            return {"origin": peer.name, "origin_server_ts": 1, "pdus": _pdus([found])}
    return refusal(404, "M_NOT_FOUND")


async def event_auth(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    return {"auth_chain": _pdus(room.auth_chain([EventId(asked.at["event"])]))}


async def backfill(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    found = room.back_from([EventId(each) for each in asked.query["v"]], int(asked.query["limit"][0]))
    return {"origin": peer.name, "origin_server_ts": 1, "pdus": _pdus(found)}


async def get_missing_events(peer: Peer, asked: Asked) -> Any:
    room = peer.rooms[asked.at["room"]]
    wanted = [each for head in asked.body["latest_events"] for each in room.known[head].prev_event_ids]
    found = room.back_from(wanted, asked.body.get("limit", 10), asked.body["earliest_events"])
    return {"events": _pdus(reversed(found))}


async def profile(peer: Peer, asked: Asked) -> Any:
    found = peer.profiles.get(asked.query["user_id"][0])
    if found is None:
        return refusal(404, "M_NOT_FOUND")
    return {name: found.get(name) for name in asked.query.get("field", found) if name in found}


async def directory(peer: Peer, asked: Asked) -> Any:
    room_id = peer.aliases.get(asked.query["room_alias"][0])
    if room_id is None:
        return refusal(404, "M_NOT_FOUND")
    return {"room_id": room_id, "servers": [peer.name]}


async def send(peer: Peer, asked: Asked) -> Any:
    results: Json = {}
    peer.edus += asked.body.get("edus", [])
    for pdu in asked.body["pdus"]:
        room = peer.rooms.get(pdu.get("room_id"))
        if room is not None:
            taken = room.read(pdu)
            room.add(taken)
            peer.pdus[taken.event_id] = pdu
            results[taken.event_id] = {}
    return {"pdus": results}


async def nothing(peer: Peer, asked: Asked) -> Any:
    return refusal(404, "M_UNRECOGNIZED")


def _authorised(room: PeerRoom) -> Json:
    """In a restricted room the creator stands for those who come in."""
    rules, create = room.current("m.room.join_rules"), room.current("m.room.create")
    restricted = rules is not None and rules.content.get("join_rule") in ("restricted", "knock_restricted")
    return {AUTHORISER: create.sender} if restricted and create is not None else {}


def _pdus(events: Iterable[Event]) -> list[Json]:
    return [dict(each.pdu) for each in events]


OPERATIONS = (
    Operation("keys", "GET", "/_matrix/key/v2/server", keys, signed=False),
    Operation("version", "GET", f"{V1}/version", version, signed=False),
    Operation("make_join", "GET", f"{V1}/make_join/{{room}}/{{user}}", make_join),
    Operation("send_join", "PUT", f"{V2}/send_join/{{room}}/{{event}}", send_join),
    Operation("make_leave", "GET", f"{V1}/make_leave/{{room}}/{{user}}", make_leave),
    Operation("send_leave", "PUT", f"{V2}/send_leave/{{room}}/{{event}}", send_leave),
    Operation("make_knock", "GET", f"{V1}/make_knock/{{room}}/{{user}}", make_knock),
    Operation("send_knock", "PUT", f"{V1}/send_knock/{{room}}/{{event}}", send_knock),
    Operation("invite", "PUT", f"{V2}/invite/{{room}}/{{event}}", invite),
    Operation("state", "GET", f"{V1}/state/{{room}}", state),
    Operation("state_ids", "GET", f"{V1}/state_ids/{{room}}", state_ids),
    Operation("event", "GET", f"{V1}/event/{{event}}", event),
    Operation("event_auth", "GET", f"{V1}/event_auth/{{room}}/{{event}}", event_auth),
    Operation("backfill", "GET", f"{V1}/backfill/{{room}}", backfill),
    Operation("get_missing_events", "POST", f"{V1}/get_missing_events/{{room}}", get_missing_events),
    Operation("profile", "GET", f"{V1}/query/profile", profile),
    Operation("directory", "GET", f"{V1}/query/directory", directory),
    Operation("send", "PUT", f"{V1}/send/{{txn}}", send),
    Operation("anything", "*", "/{path:.*}", nothing, signed=False),
)
"""All that a peer can be asked; the last takes whatever the others do not."""
