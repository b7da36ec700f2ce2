"""Events: the immutable `Event` that everything passes around.

An event of a room version from 3 on has no id in its PDU; `Event` carries it beside. Nothing local ever enters the PDU.
Source: server-server API, "PDUs"; room version pages, "Event format".
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.protocol.room_versions import RoomVersion

StateKey = tuple[str, str]
"""(event type, state key): the key under which an event stands in a room's state."""


class Event:
    """One PDU of a known room version. Immutable: nobody changes `pdu` or anything inside it.

    The attributes hold for events that passed `check_format`; before that only `pdu` may be read.
    """

    def __init__(self, version: RoomVersion, event_id: EventId, room_id: RoomId, pdu: Mapping[str, Any]) -> None:
        self.version = version
        self.event_id = event_id
        self.room_id = room_id
        self.pdu = pdu
        self.type: str = pdu["type"]
        self.sender: UserId = pdu["sender"]
        self.state_key: str | None = pdu.get("state_key")
        self.content: Mapping[str, Any] = pdu["content"]

    @property
    def key(self) -> StateKey:
        """(type, state_key); only for state events."""
        assert self.state_key is not None
        return (self.type, self.state_key)

    @property
    def is_state(self) -> bool:
        """Whether the event has a state key."""
        return self.state_key is not None

    @property
    def depth(self) -> int:
        """As the sender claims it; never trusted for order (traps.md 19)."""
        depth: int = self.pdu["depth"]
        return depth

    @property
    def origin_server_ts(self) -> int:
        """Milliseconds since 1970, as the sender claims."""
        timestamp: int = self.pdu["origin_server_ts"]
        return timestamp

    @cached_property
    def auth_event_ids(self) -> Sequence[EventId]:
        """The ids of the events that authorize this one; in rooms without a create event among them, without it."""
        return _ids(self.pdu["auth_events"])

    @cached_property
    def prev_event_ids(self) -> Sequence[EventId]:
        """The ids of the events before this one."""
        return _ids(self.pdu["prev_events"])

    @property
    def redacts(self) -> Any:
        """What a redaction names as its target, from where this room version keeps it; unchecked."""
        return self.content.get("redacts") if self.version.redacts_in_content else self.pdu.get("redacts")

    def __repr__(self) -> str:
        return f"<Event {self.event_id} {self.type}>"


def _ids(references: Sequence[Any]) -> Sequence[EventId]:
    """Plain ids (from room version 3 on) or [id, hashes] pairs (before)."""
    return [EventId(r if isinstance(r, str) else r[0]) for r in references]
