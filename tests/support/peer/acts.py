"""What a peer does of its own accord: its people join, leave, knock and invite in rooms of the server under test."""

from oriz_matrix.protocol.event_builder import complete, countersigned
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.support.peer.answers import shown
from tests.support.peer.peer import V1, V2, Peer
from tests.support.peer.room import Json, PeerRoom
from tests.support.people import segment

KNOWN_VERSIONS = [("ver", name) for name in ROOM_VERSIONS]


async def join(peer: Peer, server: str, room_id: str, name: str) -> PeerRoom:
    """Somebody joins; the room as the server has shown it."""
    made = await _make(peer, server, "make_join", room_id, name)
    room = peer.room(made["room_version"])
    event = complete(made["event"], room.version, peer.name, peer.key)
    path = f"{V2}/send_join/{segment(room_id)}/{segment(event.event_id)}"
    answer = await peer.good(server, "PUT", path, event.pdu)
    room.adopt(answer["state"], answer["auth_chain"], room.read(answer.get("event", event.pdu)))
    peer.rooms[room.room_id] = room
    return room


async def leave(peer: Peer, server: str, room_id: str, name: str) -> Event:
    """Somebody leaves, or turns an invite down."""
    made = await _make(peer, server, "make_leave", room_id, name)
    event = complete(made["event"], ROOM_VERSIONS[made["room_version"]], peer.name, peer.key)
    path = f"{V2}/send_leave/{segment(room_id)}/{segment(event.event_id)}"
    await peer.good(server, "PUT", path, event.pdu)
    return event


async def knock(peer: Peer, server: str, room_id: str, name: str) -> list[Json]:
    """Somebody knocks; what they are shown."""
    made = await _make(peer, server, "make_knock", room_id, name)
    event = complete(made["event"], ROOM_VERSIONS[made["room_version"]], peer.name, peer.key)
    path = f"{V1}/send_knock/{segment(room_id)}/{segment(event.event_id)}"
    answer = await peer.good(server, "PUT", path, event.pdu)
    told: list[Json] = answer["knock_room_state"]
    return told


async def invite(peer: Peer, server: str, room: PeerRoom, sender: str, user_id: str) -> Event:
    """Somebody here invites a user of the server; the invite that it has countersigned, now part of the room."""
    event = room.make(sender, "m.room.member", {"membership": "invite"}, user_id, keep=False)
    body = {"room_version": room.version.name, "event": event.pdu, "invite_room_state": shown(room, sender)}
    path = f"{V2}/invite/{segment(room.room_id)}/{segment(event.event_id)}"
    answer = await peer.good(server, "PUT", path, body)
    signed = countersigned(room.read(answer["event"]), peer.name, peer.key)
    room.add(signed)
    return signed


async def _make(peer: Peer, server: str, operation: str, room_id: str, name: str) -> Json:
    path = f"{V1}/{operation}/{segment(room_id)}/{segment(peer.user(name))}"
    made: Json = await peer.good(server, "GET", path, query=KNOWN_VERSIONS)
    return made
