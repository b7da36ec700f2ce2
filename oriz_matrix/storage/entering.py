"""How this server comes into a room through another one: the room's whole state at once, and the join on top of it.

In a room that was known before, what happened in between is a hole in its log; of its state only what is otherwise than
it was is written.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from oriz_matrix.protocol.event_contents import MEMBER
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId, other_server
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.storage import append, events, gaps, interning, membership, room_state, rooms
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.gaps import Gap
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, RoomNid


def open_room(tx: Transaction, room_id: RoomId, version: RoomVersion) -> RoomName:
    """The room, made known now if it was not."""
    tx.lock(f"room {room_id}")
    name = rooms.find(tx, room_id)
    return name if name is not None else RoomName(rooms.create(tx, room_id, version).nid, room_id, version)


def enter(tx: Transaction, name: RoomName, state: Collection[EventNid], new: NewEvent, here: ServerName) -> Room:
    """The room has this state and then a join, whose event is not stored yet; the room as it is then."""
    seen = rooms.get(tx, [name.nid])[name.nid].current
    room = rooms.hold(tx, name.nid, seen)
    bodies = events.load(tx, state)
    keys = interning.many_state_keys(tx, {event.key for event in bodies.values()})
    wanted = {keys[event.key]: nid for nid, event in bodies.items()}
    present = room_state.at(tx, room.current) if room.current.position else {}
    members = {UserId(event.key[1]): nid for nid, event in bodies.items() if event.type == MEMBER}
    interning.users(tx, members)
    position = tx.position()
    changes = room_state.Changes(room.current.branch)
    for key, nid in wanted.items():
        if present.get(key) != nid:
            changes.put(key, nid, position, replaces=bool(room.current.position))
    for key in present:
        if key not in wanted:
            changes.put(key, None, position, replaces=True)
    changes.write(tx)
    said = {user: str(bodies[nid].content.get("membership")) for user, nid in members.items()}
    _set_members(tx, name.nid, members, said, position)
    counts = Counter(said.values())
    elsewhere = Counter(
        server for user, now in said.items() if now == "join" and (server := other_server(user, here)) is not None
    )
    _set_servers(tx, name.nid, elsewhere)
    room = room._replace(
        current=StateAt(room.current.branch, position),
        extremities=[],
        joined=counts["join"],
        invited=counts["invite"],
        elsewhere=sum(elsewhere.values()),
    )
    rooms.save(tx, room)
    room = append.append(tx, name.nid, room.current, [new])
    gaps.put(tx, Gap(name.nid, room.latest, 0, list(new.event.prev_event_ids)))
    return room


def _set_members(
    tx: Transaction, room: RoomNid, members: Mapping[UserId, EventNid], said: Mapping[UserId, str], position: Position
) -> None:
    """Everybody's membership is what the state says; who is not in it any more has left."""
    numbers = interning.users(tx, members)
    before = membership.all_of(tx, room)
    changes = membership.Changes(room)
    for user_id, event in members.items():
        known = before.pop(numbers[user_id], None)
        if known is None or known.event != event:
            changes.put(numbers[user_id], said[user_id], event, position, known)
    for user, known in before.items():
        if known.membership in ("join", "invite", "knock"):
            changes.put(user, "leave", known.event, position, known)
    changes.write(tx)


def _set_servers(tx: Transaction, room: RoomNid, joined: Mapping[ServerName, int]) -> None:
    tx.run("DELETE FROM room_servers WHERE room = :room", room=room)
    sql = "INSERT INTO room_servers (room, server, joined) VALUES (:room, :server, :joined)"
    tx.many(sql, [{"room": room, "server": server, "joined": count} for server, count in joined.items()])
