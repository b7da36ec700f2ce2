"""From a draft to an event: built on the ends of the room's graph, hashed, signed and authorized."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.authorization import auth_keys, check_with_state
from oriz_matrix.protocol.event_builder import EventBuilder
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.storage.rooms import Extremity
from oriz_matrix.storage.transactions import TransactionId
from oriz_matrix.storage.types import UserNid

MAX_PREV_EVENTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a local user wants to say.

    user: the sender's number, where it is at hand; timestamp: milliseconds, where it is not to be the present; thread:
    the root of the thread that it is in; hidden: it is for servers only, and shown to nobody.
    """

    sender: UserId
    type: str
    content: Mapping[str, Any]
    user: UserNid | None = None
    state_key: str | None = None
    redacts: EventId | None = None
    timestamp: int | None = None
    transaction: TransactionId | None = None
    thread: EventId | None = None
    hidden: bool = False

    def at(self, timestamp: int) -> "Draft":
        """The same, sent at a time of its own: milliseconds."""
        return replace(self, timestamp=timestamp)


class Prepare:
    """Makes events of this server."""

    def __init__(self, clock: Clock, server_name: ServerName, key: SigningKey) -> None:
        self._clock = clock
        self.server_name = server_name
        self.key = key

    def event(
        self,
        version: RoomVersion,
        room_id: RoomId | None,
        ends: Sequence[Extremity],
        state: Mapping[StateKey, Event],
        draft: Draft,
    ) -> Event:
        """An authorized event. Raises Forbidden when the rules refuse it, BadJson and TooLarge when it is malformed.

        `state` holds what authorizes it and the create event; `room_id` is None for the create event of a room whose id
        is that event's hash.
        """
        event = self._builder(version, room_id, ends, state, draft).build(self.server_name, self.key)
        check_with_state(event, state)
        return event

    def now_ms(self) -> int:
        """The time that a new event bears: milliseconds."""
        return self._clock.now_ms()

    def template(
        self,
        version: RoomVersion,
        room_id: RoomId,
        ends: Sequence[Extremity],
        state: Mapping[StateKey, Event],
        draft: Draft,
    ) -> dict[str, Any]:
        """The same for another server, which will complete and sign it for its user."""
        builder = self._builder(version, room_id, ends, state, draft)
        check_with_state(builder.build(self.server_name, self.key), state)
        return builder.template()

    def _builder(
        self,
        version: RoomVersion,
        room_id: RoomId | None,
        ends: Sequence[Extremity],
        state: Mapping[StateKey, Event],
        draft: Draft,
    ) -> EventBuilder:
        content = draft.content
        if draft.redacts is not None and version.redacts_in_content:
            content = {**content, "redacts": draft.redacts}
        newest = sorted(ends, key=lambda end: -end[1])[:MAX_PREV_EVENTS]
        keys = auth_keys(draft.type, draft.sender, draft.state_key, content, version)
        return EventBuilder(
            version=version,
            room_id=room_id,
            sender=draft.sender,
            type=draft.type,
            content=content,
            state_key=draft.state_key,
            redacts=None if version.redacts_in_content else draft.redacts,
            prev_event_ids=[event_id for event_id, _ in newest],
            auth_event_ids=[state[key].event_id for key in keys if key in state],
            depth=max((depth for _, depth in newest), default=0) + 1,
            origin_server_ts=self._clock.now_ms() if draft.timestamp is None else draft.timestamp,
        )
