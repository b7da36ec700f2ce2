"""What this process saw last of rooms: guesses with which events are prepared, and which compare-and-append checks.

A guess may be wrong as soon as another process has changed the room: then the append fails with RoomMoved and the room
is read. What a refusal rests on is therefore always read first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from oriz_matrix.base.cache import Cache
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.services.rooms.receivers import Receiver, Receivers
from oriz_matrix.services.rooms.snapshot import Snapshot
from oriz_matrix.storage.caches import RoomName, StateAt
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.types import Position

MEMBER = "m.room.member"
ROOMS = 5_000
KEYS = 2_000
"""State keys that are remembered of one room."""


@dataclass(slots=True)
class _Seen:
    """A room as it was; `state` holds the keys that were looked at, None where the room has none.

    redacted_at: when something was redacted here last; what was read before that may show it still. receivers: the
    members whose push rules are asked, with the generation of `Receivers` in which that was read.
    """

    name: RoomName
    room: Room
    state: dict[StateKey, Event | None]
    redacted_at: Position = field(default=Position(0))
    receivers: tuple[int, Sequence[Receiver]] | None = None


class Known:
    """The rooms that this process has lately written to. Used on the event loop only."""

    def __init__(self, receivers: Receivers) -> None:
        self.receivers = receivers
        self.cache: Cache[RoomId, _Seen] = Cache("known_rooms", ROOMS)
        self.caches: Sequence[Cache[Any, Any]] = (self.cache, receivers.cache)

    def version(self, room_id: RoomId) -> RoomVersion | None:
        """The version of a room that is known."""
        seen = self.cache.get(room_id)
        return None if seen is None else seen.name.version

    def recall(self, room_id: RoomId, keys: Sequence[StateKey]) -> Snapshot | None:
        """The room with these keys of its state, or None where something of it is not known."""
        seen = self.cache.get(room_id)
        if seen is None:
            return None
        state: dict[StateKey, Event] = {}
        for key in keys:
            if key not in seen.state:
                return None
            if (event := seen.state[key]) is not None:
                state[key] = event
        receivers = self._receivers(seen)
        return None if receivers is None else Snapshot(seen.name, seen.room, state, keys, receivers=receivers)

    def _receivers(self, seen: _Seen) -> Sequence[Receiver] | None:
        """The members whose push rules are asked, or None where that is not known."""
        if self.receivers.nobody:
            return ()
        known = seen.receivers
        return known[1] if known is not None and known[0] == self.receivers.generation else None

    def learn_receivers(self, snapshot: Snapshot, generation: int) -> None:
        """Remembers whose push rules are asked, as was read in that generation, if the room's state is the same."""
        seen = self.cache.get(snapshot.name.room_id)
        if seen is not None and seen.room.current == snapshot.room.current:
            seen.receivers = (generation, snapshot.receivers)

    def learn(self, snapshot: Snapshot) -> None:
        """Remembers what was read, unless its state has changed since."""
        seen, room = self.cache.get(snapshot.name.room_id), snapshot.room
        looked_at = {key: snapshot.state.get(key) for key in snapshot.keys}
        if seen is not None and seen.room.current == room.current and len(seen.state) < KEYS:
            if room.latest >= seen.redacted_at:
                seen.room = max(seen.room, room, key=_moved_at)
                seen.state |= looked_at
        elif seen is None or _moved_at(room) >= _moved_at(seen.room):
            self.cache.put(snapshot.name.room_id, _Seen(snapshot.name, room, looked_at))

    def is_at(self, room_id: RoomId, state: StateAt) -> bool:
        """Whether what is known of a room is of this state."""
        seen = self.cache.get(room_id)
        return seen is not None and seen.room.current == state

    def forget(self, room_id: RoomId) -> None:
        """A room was changed in another way than by appending to what is known of it."""
        self.cache.drop(room_id)

    def appended(self, room_id: RoomId, room: Room, new: Sequence[NewEvent]) -> None:
        """Remembers the room as it is after events were appended to what is known of it."""
        seen = self.cache.get(room_id)
        if seen is None:
            return
        if any(one.redacts is not None for one in new):  # it may have been one of the events that authorize
            seen.state.clear()
            seen.redacted_at = room.latest
            seen.receivers = None
        seen.room = room
        seen.state |= {one.event.key: one.event for one in new if one.event.is_state}
        if any(one.event.type == MEMBER for one in new):
            seen.receivers = None


def _moved_at(room: Room) -> Position:
    """When a room changed last; its state may also change without an event."""
    return max(room.latest, room.current.position)
