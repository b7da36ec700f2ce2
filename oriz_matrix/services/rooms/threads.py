"""Which thread an event is in. Source: client-server API, "Threaded read receipts"."""

from collections.abc import Callable, Mapping
from typing import Any

from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.relations import thread_root
from oriz_matrix.storage import events
from oriz_matrix.storage.transaction import Transaction

LookUp = Callable[[EventId], Mapping[str, Any] | None]
"""The content of another event of the same room; None where there is none."""


def of_content(tx: Transaction, room_id: RoomId, content: Mapping[str, Any]) -> EventId | None:
    """The root of the thread that an event with this content is in; None for the main timeline."""
    return thread_root(content, look_up(tx, room_id))


def look_up(tx: Transaction, room_id: RoomId) -> LookUp:
    """Gives the contents of a room's events by their ids, as they were sent."""

    def find(event_id: EventId) -> Mapping[str, Any] | None:
        bodies = events.load(tx, events.find(tx, [event_id]).values())
        return next((event.content for event in bodies.values() if event.room_id == room_id), None)

    return find
