"""Rooms for the tests of authorization and state resolution: events with made-up ids, linked but not signed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oriz_matrix.protocol.authorization import auth_keys
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId, domain_of
from oriz_matrix.protocol.room_versions import EventIdFormat, RoomVersion

ALICE, BOB, CARL, DAVE, ERIN, FRED, GINA = (
    f"@{name}:one" for name in ["alice", "bob", "carl", "dave", "erin", "fred", "gina"]
)
ZOE = "@zoe:two"
OLD_ROOM_ID = RoomId("!room:one")

States = Mapping[StateKey, EventId]


@dataclass
class Room:
    """All events of one room, and what a `Source` of state resolution answers about them."""

    version: RoomVersion
    known: dict[EventId, Event] = field(default_factory=dict)
    refused: set[EventId] = field(default_factory=set)
    room_id: RoomId = OLD_ROOM_ID

    def create(self, sender: str = ALICE, /, **content: Any) -> Event:
        """The first event; it names the creator where the room version asks for it."""
        creator = {"creator": sender} if self.version.creator_in_content else {}
        return self.event("m.room.create", sender, {"room_version": self.version.name, **creator, **content}, "")

    def event(
        self,
        event_type: str,
        sender: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        *,
        auth: Collection[Event] = (),
        prev: Sequence[Event] = (),
        ts: int | None = None,
        **extra: Any,
    ) -> Event:
        """One more event; its time is its number unless given."""
        number = len(self.known)
        event_id = self._event_id(number, sender)
        if event_type == "m.room.create" and self.version.room_id_is_create_hash:
            self.room_id = RoomId("!" + event_id[1:])
        pdu = {
            "type": event_type,
            "sender": sender,
            "content": content,
            "depth": number,
            "origin_server_ts": number if ts is None else ts,
            "auth_events": self._references(auth),
            "prev_events": self._references(prev),
            **extra,
        }
        if state_key is not None:
            pdu["state_key"] = state_key
        event = Event(self.version, event_id, self.room_id, pdu)
        self.known[event_id] = event
        return event

    def in_state(self, state: States, event_type: str, sender: str, content: Mapping[str, Any], *rest: Any) -> Event:
        """An event with the auth events that this state has for it."""
        keys = auth_keys(event_type, sender, rest[0] if rest else None, content, self.version)
        return self.event(
            event_type, sender, content, *rest, auth=[self.known[state[key]] for key in keys if key in state]
        )

    def _event_id(self, number: int, sender: str) -> EventId:
        chosen = self.version.event_id_format is EventIdFormat.CHOSEN
        return EventId(f"$e{number}:{domain_of(sender)}" if chosen else f"$e{number}")

    def _references(self, events: Collection[Event]) -> list[Any]:
        chosen = self.version.event_id_format is EventIdFormat.CHOSEN
        return [[e.event_id, {"sha256": ""}] if chosen else e.event_id for e in events]

    def events(self, ids: Collection[EventId]) -> Mapping[EventId, Event]:
        """Source: the events."""
        return {i: self.known[i] for i in ids}

    def rejected(self, ids: Collection[EventId]) -> Collection[EventId]:
        """Source: the rejected ones."""
        return self.refused.intersection(ids)

    def auth_edges(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        """Source: the auth events."""
        return {i: self.known[i].auth_event_ids for i in ids}

    def auth_depths(self, ids: Collection[EventId]) -> Mapping[EventId, int]:
        """Source: numbers that grow along the auth chains; events are made after what they cite."""
        order = {i: n for n, i in enumerate(self.known)}
        return {i: order[i] for i in ids}

    def citing(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        """For `reached_up`: the state events that cite each."""
        return {i: [e.event_id for e in self.known.values() if e.is_state and i in e.auth_event_ids] for i in ids}


def after(state: States, *events: Event) -> dict[StateKey, EventId]:
    """The state after some state events."""
    return {**state, **{event.key: event.event_id for event in events}}


def as_events(room: Room, state: States) -> dict[StateKey, Event]:
    """The state with the events themselves."""
    return {key: room.known[event_id] for key, event_id in state.items()}


def founded(
    version: RoomVersion, levels: Mapping[str, Any] | None = None, join_rule: str = "public", **create: Any
) -> tuple[Room, dict[StateKey, EventId]]:
    """A room where Alice, its creator, has joined; with power levels (if not None) and a join rule."""
    room = Room(version)
    first = room.create(**create)
    state = after({}, first)
    listed = [first] if version.create_in_auth_events else []
    join = room.event("m.room.member", ALICE, {"membership": "join"}, ALICE, auth=listed, prev=[first])
    state = after(state, join)
    if levels is not None:
        state = after(state, room.in_state(state, "m.room.power_levels", ALICE, levels, ""))
    return room, after(state, room.in_state(state, "m.room.join_rules", ALICE, {"join_rule": join_rule}, ""))


def members(room: Room, state: States, **memberships: str) -> dict[StateKey, EventId]:
    """The state with members put in as if their events had been allowed: `bob="join"`, `zoe="ban"`."""
    for name, membership in memberships.items():
        user = ZOE if name == "zoe" else f"@{name}:one"
        state = after(state, room.event("m.room.member", user, {"membership": membership}, user))
    return dict(state)


def create_event(room: Room, state: States) -> Event:
    """The room's create event."""
    return room.known[state[CREATE]]
