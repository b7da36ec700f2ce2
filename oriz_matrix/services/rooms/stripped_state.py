"""What an invite or a knock shows of a room to somebody outside."""

from collections.abc import Mapping
from typing import Any

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.stripped_state import shown_events, strip


def shows_room(event_type: str, content: Mapping[str, Any]) -> bool:
    """Whether this is an invite or a knock, which show a part of the room to somebody outside."""
    return event_type == "m.room.member" and content.get("membership") in ("invite", "knock")


def invite_state(event: Event, state: Mapping[StateKey, Event]) -> bytes | None:
    """The stripped state that goes with an invite or a knock, itself included; None for other events."""
    if not shows_room(event.type, event.content):
        return None
    return encode([strip(shown) for shown in [*shown_events(state, event.sender), event]])
