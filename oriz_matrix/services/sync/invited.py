"""Rooms that somebody is invited to or knocks at, with the stripped state that shows them to somebody outside.

That is the state as it was at the invite, as it stands after redactions: what was taken away meanwhile is not shown. Of
rooms that this server is not in it is what another server has shown.
"""

from collections.abc import Sequence
from typing import Any

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.stripped_state import shown_events, shown_keys, strip
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import events, interning, outside, room_state, rooms, timeline
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, UserNid


def invited(tx: Transaction, window: Window, stays: Sequence[Membership], kind: str) -> dict[RoomId, bytes]:
    """The rooms that the reader was invited to (or knocked at) in the window, each with its stripped state as JSON."""
    found = [entry for entry in _new(tx, window, stays, kind) if entry.sender not in window.ignored.users]
    entries = {rooms.name(tx, entry.room).room_id: entry for entry in found}
    allowed = {room_id: entry for room_id, entry in entries.items() if window.filter.room.allows_room(room_id)}
    states = _stripped(tx, window.reader.user, list(allowed.values())) if allowed else {}
    return {room_id: encode(states[entry.event]) for room_id, entry in allowed.items()}


def hidden(tx: Transaction, window: Window, stays: Sequence[Membership]) -> list[Membership]:
    """The reader's new invites from those whom they ignore: as if they were none."""
    if not window.ignored.users:
        return []
    found = _new(tx, window, stays, "invite")
    events_hidden = {entry.event for entry in found if entry.sender in window.ignored.users}
    return [stay for stay in stays if stay.event in events_hidden]


def _new(tx: Transaction, window: Window, stays: Sequence[Membership], kind: str) -> Sequence[Entry]:
    wanted = {stay.event for stay in stays if stay.membership == kind and stay.since > window.after}
    return timeline.statuses(tx, list(wanted))


def _stripped(tx: Transaction, reader: UserNid, entries: Sequence[Entry]) -> dict[EventNid, list[dict[str, Any]]]:
    """The stripped state of each invite or knock, itself included."""
    senders = interning.user_ids(tx, {entry.sender for entry in entries})
    keys = {key for sender in senders.values() for key in shown_keys(sender)}
    numbers = interning.find_state_keys(tx, sorted(keys))
    elsewhere = outside.shown(tx, reader, [entry.room for entry in entries])
    here = [entry for entry in entries if entry.room not in elsewhere]
    states = room_state.keys_each(tx, [entry.before for entry in here], list(numbers.values()))
    shown = {entry.event for entry in entries}.union(*(state.values() for state in states.values()))
    bodies = events.effective(tx, list(shown))
    found: dict[EventNid, list[dict[str, Any]]] = {}
    for entry in entries:
        own = strip(bodies[entry.event])
        found[entry.event] = [*(one for one in elsewhere.get(entry.room, []) if _key(one) != _key(own)), own]
    for entry in here:
        state = {bodies[event].key: bodies[event] for event in states[entry.branch].values()}
        events_shown = [*shown_events(state, senders[entry.sender]), bodies[entry.event]]
        found[entry.event] = [strip(event) for event in events_shown]
    return found


def _key(stripped: dict[str, Any]) -> tuple[str, str]:
    return stripped["type"], stripped["state_key"]
