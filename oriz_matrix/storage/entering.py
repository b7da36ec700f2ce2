"""How this server comes into a room through another one: the room's whole state at once, and the join on top of it.

In a room that was known before, what happened in between is a hole in its log; of its state only what is otherwise than
it was is written.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from oriz_matrix.protocol.event_contents import MEMBER
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId, other_server
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.storage import append, events, gaps, interning, membership, room_state, rooms
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.errors import RoomMoved
from oriz_matrix.storage.gaps import Gap
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import BranchNid, EventNid, Position, RoomNid


def open_room(tx: Transaction, room_id: RoomId, version: RoomVersion) -> RoomName:
    """The room, made known now if it was not.

    As long as nobody here was in it, it is of the version that was told last: whoever says another one, as the server
    of an invite may, must not keep us out of it.
    """
    tx.lock(f"room {room_id}")
    name = rooms.find(tx, room_id)
    if name is None:
        return RoomName(rooms.create(tx, room_id, version).nid, room_id, version)
    if name.version is not version and rooms.change_version(tx, name.nid, version):
        return name._replace(version=version)
    return name


def begin(tx: Transaction, name: RoomName) -> Position | None:
    """Where the state of a room begins of which nothing is known yet: it may be filled in parts, which nobody sees
    before `enter`. None for a room with a state."""
    current = rooms.get(tx, [name.nid])[name.nid].current
    if current.position:
        return None
    _clear(tx, current.branch)
    return tx.position()


def _clear(tx: Transaction, branch: BranchNid) -> None:
    """Deletes what an earlier attempt may have left."""
    tx.run("DELETE FROM state_entries WHERE branch = :branch", branch=branch)


def fill(tx: Transaction, name: RoomName, position: Position, state: Collection[EventNid]) -> None:
    """Writes a part of the state of a room that begins at a position, and who is in it."""
    branch = rooms.get(tx, [name.nid])[name.nid].current.branch
    bodies = events.load(tx, state)
    keys = interning.many_state_keys(tx, {event.key for event in bodies.values()})
    members = _members(bodies)
    numbers = interning.users(tx, members)
    before = membership.of_users_in(tx, list(numbers.values()), name.nid)
    changes, stays = room_state.Changes(branch), membership.Changes(name.nid)
    for nid, event in bodies.items():
        changes.put(keys[event.key], nid, position, replaces=False)
    for user_id, (nid, said) in members.items():
        known = before.get(numbers[user_id])
        if known is None or known.event != nid:
            stays.put(numbers[user_id], said, nid, position, known)
    changes.write(tx)
    stays.write(tx)


class Entry(NamedTuple):
    """How a room is entered: with this state and then a join, whose event is not stored yet.

    here: this server. filled: since when the state is written already; None where what was known before is changed.
    """

    state: Collection[EventNid]
    join: NewEvent
    here: ServerName
    filled: Position | None


def enter(tx: Transaction, name: RoomName, entry: Entry) -> Room:
    """Enters a room; the room as it is then. Raises RoomMoved where a user of this server has come in already."""
    seen = rooms.get(tx, [name.nid])[name.nid].current
    room = rooms.hold(tx, name.nid, seen)
    rooms.change_version(tx, name.nid, name.version)  # another one may have been told since `open_room`
    bodies = events.load(tx, entry.state)
    members = _members(bodies)
    position = entry.filled
    if room.is_here:
        raise RoomMoved
    if position is None or room.current.position or not _is_whole(tx, room, position, len(bodies)):
        position = _replace(tx, room, bodies, members)
    counts = Counter(said for _, said in members.values())
    joined = [other_server(user, entry.here) for user, (_, said) in members.items() if said == "join"]
    elsewhere = Counter(server for server in joined if server is not None)
    _set_servers(tx, name.nid, elsewhere)
    room = room._replace(
        current=StateAt(room.current.branch, position),
        extremities=[],
        joined=counts["join"],
        invited=counts["invite"],
        elsewhere=sum(elsewhere.values()),
    )
    rooms.save(tx, room)
    room = append.append(tx, name.nid, room.current, [entry.join])
    gaps.put(tx, Gap(name.nid, room.latest, 0, list(entry.join.event.prev_event_ids)))
    return room


Members = Mapping[UserId, tuple[EventNid, str]]
"""The members of a state: the event of each, and what they are."""


def _members(bodies: Mapping[EventNid, Event]) -> Members:
    return {
        UserId(event.key[1]): (nid, str(event.content.get("membership")))
        for nid, event in bodies.items()
        if event.type == MEMBER
    }


def _is_whole(tx: Transaction, room: Room, position: Position, size: int) -> bool:
    """Whether the state that begins at a position is all written; another process may have begun anew meanwhile."""
    sql = "SELECT count(*) FROM state_entries WHERE branch = :branch AND since = :position"
    return bool(tx.value(sql, branch=room.current.branch, position=position) == size)


def _replace(tx: Transaction, room: Room, bodies: Mapping[EventNid, Event], members: Members) -> Position:
    """Changes what was known of a room's state into another state; from when on."""
    keys = interning.many_state_keys(tx, {event.key for event in bodies.values()})
    wanted = {keys[event.key]: nid for nid, event in bodies.items()}
    present = room_state.at(tx, room.current) if room.current.position else {}
    if not room.current.position:
        _clear(tx, room.current.branch)
    numbers = interning.users(tx, members)
    before = membership.all_of(tx, room.nid)
    position = tx.position()
    changes, stays = room_state.Changes(room.current.branch), membership.Changes(room.nid)
    for key, nid in wanted.items():
        if present.get(key) != nid:
            changes.put(key, nid, position, replaces=bool(room.current.position))
    for key in present:
        if key not in wanted:
            changes.put(key, None, position, replaces=True)
    for user_id, (nid, said) in members.items():
        known = before.pop(numbers[user_id], None)
        if known is None or known.event != nid:
            stays.put(numbers[user_id], said, nid, position, known)
    for user, known in before.items():  # who is not in the state any more has left
        if known.membership in ("join", "invite", "knock"):
            stays.put(user, "leave", known.event, position, known)
    changes.write(tx)
    stays.write(tx)
    return position


def _set_servers(tx: Transaction, room: RoomNid, joined: Mapping[ServerName, int]) -> None:
    tx.run("DELETE FROM room_servers WHERE room = :room", room=room)
    sql = "INSERT INTO room_servers (room, server, joined) VALUES (:room, :server, :joined)"
    tx.many(sql, [{"room": room, "server": server, "joined": count} for server, count in joined.items()])
