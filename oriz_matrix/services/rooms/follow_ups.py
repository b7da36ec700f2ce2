"""What is to be done after an event: a job that is stored with it, so that neither is ever there without the other."""

from collections.abc import Mapping

from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.event_contents import CREATE, Create, guests_may_join, member_key, membership, successor
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import parse_room_id
from oriz_matrix.storage.jobs import JobRequest

GUEST_ACCESS: StateKey = ("m.room.guest_access", "")
TOMBSTONE: StateKey = ("m.room.tombstone", "")

DISMISS_GUESTS = "guests"
"""Jobs of this queue let guests leave a room that is not open to them; the key is the room's id."""

CARRY_SETTINGS = "settings"
"""Jobs of this queue carry what users set of a room into the one that replaces it.

The key is the new room's id, for all users of this server who are in it; or one user's id, a blank, and that.
"""


def follow_up(event: Event, state: Mapping[StateKey, Event]) -> JobRequest | None:
    """The job that follows from an event which is sent in this state."""
    if not event.is_state:
        return None
    if event.key == GUEST_ACCESS and not guests_may_join(event):
        return JobRequest(DISMISS_GUESTS, event.room_id)
    if event.key == TOMBSTONE:
        return _of_tombstone(event)
    if event.key == member_key(event.sender) and membership(event) == "join":
        is_new = membership(state.get(event.key)) != "join"
        if is_new and Create(state[CREATE]).predecessor is not None:
            return JobRequest(CARRY_SETTINGS, f"{event.sender} {event.room_id}")
    return None


def _of_tombstone(event: Event) -> JobRequest | None:
    try:
        return JobRequest(CARRY_SETTINGS, parse_room_id(successor(event), "replacement_room"))
    except InvalidParam:
        return None
