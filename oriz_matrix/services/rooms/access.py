"""Who may look into a room, and what of it: the doors of every read."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from oriz_matrix.protocol.errors import Forbidden, NotFound
from oriz_matrix.protocol.event_contents import HISTORY_VISIBILITY, history_visibility
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.visibility import STRICTEST, Change, Older, Sight
from oriz_matrix.storage import events, gaps, interning, membership, room_state, rooms, timeline
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.timeline import LAST_BACK, Entry, Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, BranchNid, Position, RoomNid, UserNid


class View(NamedTuple):
    """A room as one user may see it: `state` is the current state, or that at the end of their last stay."""

    name: RoomName
    room: Room
    membership: str | None
    state: StateAt
    upto: Position


def view(tx: Transaction, user: UserNid, room_id: RoomId) -> View:
    """What a user may see of a room. Raises Forbidden for those who never were in it and a room that is not open."""
    name = rooms.find(tx, room_id)
    if name is None:
        raise Forbidden("You are not in this room, or it does not exist")
    room = rooms.get(tx, [name.nid])[name.nid]
    stays = membership.of_user_in(tx, user, name.nid)
    now = stays[-1] if stays else None
    if now is not None and now.membership == "join":
        return View(name, room, "join", room.current, FOREVER)
    if (end := end_of_stay(stays)) is not None:
        return View(name, room, stays[-1].membership, StateAt(room.current.branch, end), end)
    if history_visibility(current(tx, room, [HISTORY_VISIBILITY]).get(HISTORY_VISIBILITY)) == "world_readable":
        return View(name, room, now.membership if now else None, room.current, FOREVER)
    raise Forbidden("You are not in this room, or it does not exist")


def entry(tx: Transaction, view: View, sight: Sight, event_id: EventId) -> Entry:
    """An event of the room that is seen. Raises NotFound for all others."""
    nid = events.find(tx, [event_id]).get(event_id)
    found = timeline.status(tx, nid) if nid is not None else None
    if found is None or found.room != view.name.nid or not sight.sees(found.position, found.back):
        raise NotFound("There is no such event in this room")
    return found


def end_of_stay(stays: Sequence[Membership]) -> Position | None:
    """When the last stay ended of somebody who is not in the room now; None for who never was. Oldest first."""
    ends = [later.since for earlier, later in pairwise(stays) if earlier.membership == "join" != later.membership]
    return ends[-1] if ends else None


def current(tx: Transaction, room: Room, keys: Sequence[StateKey]) -> dict[StateKey, Event]:
    """Some of a room's current state, as it stands after redactions."""
    return at(tx, room.current, keys)


def at(tx: Transaction, state: StateAt, keys: Sequence[StateKey]) -> dict[StateKey, Event]:
    """Some keys of a state, as they stand after redactions."""
    numbers = interning.find_state_keys(tx, keys)
    found = room_state.get(tx, state, list(numbers.values()))
    bodies = events.effective(tx, list(found.values()))
    return {key: bodies[found[nid]] for key, nid in numbers.items() if nid in found}


def sights(
    tx: Transaction, trunks: Mapping[RoomNid, BranchNid], stays: Mapping[RoomNid, Sequence[Change]]
) -> dict[RoomNid, Sight]:
    """What somebody sees of each room's history; `stays` are their memberships through time."""
    courses = _courses(tx, trunks)
    return {room: Sight(courses.get(room, []), stays.get(room, [])) for room in trunks}


def _courses(tx: Transaction, trunks: Mapping[RoomNid, BranchNid]) -> dict[RoomNid, list[Change]]:
    """The history visibility of rooms through time."""
    numbers = interning.find_state_keys(tx, [HISTORY_VISIBILITY])
    if HISTORY_VISIBILITY not in numbers:
        return {}
    courses = room_state.course(tx, list(trunks.values()), numbers[HISTORY_VISIBILITY])
    bodies = events.load(tx, {event for course in courses.values() for _, event in course if event is not None})
    return {
        room: [
            (since, history_visibility(bodies[event] if event is not None else None))
            for since, event in courses.get(branch, [])
        ]
        for room, branch in trunks.items()
    }


def sight(tx: Transaction, user: UserNid, room: Room) -> Sight:
    """What a user sees of one room's history, that included which was fetched later."""
    stays = [(stay.since, stay.membership) for stay in membership.of_user_in(tx, user, room.nid)]
    course = _courses(tx, {room.nid: room.current.branch}).get(room.nid, [])
    return Sight(course, stays, _older(tx, room, course) if room.elsewhere else {})


def _older(tx: Transaction, room: Room, course: Sequence[Change]) -> dict[int, Older]:
    """The changes of history visibility in what was fetched into the holes of a room's log."""
    numbers = interning.find_state_keys(tx, [HISTORY_VISIBILITY])
    fetched = timeline.fetched(tx, room.nid, list(numbers.values()))
    bodies = events.load(tx, [entry.event for entry in fetched])
    changes: dict[int, list[Change]] = {}
    for entry in fetched:
        changes.setdefault(entry.position, []).append((entry.back, history_visibility(bodies[entry.event])))
    found = {}
    for position, some in changes.items():
        first = STRICTEST
        if not gaps.is_open(tx, room.nid, Position(position)):
            earlier = timeline.before(tx, room.nid, Place(position, -LAST_BACK), Place(-1), 1)
            at = [value for since, value in course if earlier and since <= earlier[0].position]
            first = at[-1] if at else history_visibility(None)
        found[position] = Older(some, first)
    return found
