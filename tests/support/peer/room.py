"""A room as a scripted peer holds it: its graph, the state at each event, and new events upon any of them.

It believes everything it is told; what is right is for the server under test to find out. States at forks are resolved
by the protocol's own resolution.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from oriz_matrix.protocol.authorization import auth_keys
from oriz_matrix.protocol.event_builder import EventBuilder
from oriz_matrix.protocol.events import Event, StateKey, event_from_pdu
from oriz_matrix.protocol.hashing import reference_hash
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId, domain_of
from oriz_matrix.protocol.resolution import resolve_full
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from oriz_matrix.protocol.signing import SigningKey

State = Mapping[StateKey, EventId]
Json = dict[str, Any]


class PeerRoom:
    """known: all events. after: the state after each. heads: the forward extremities."""

    def __init__(self, version: RoomVersion | str, server: ServerName, key: SigningKey) -> None:
        self.version = version if isinstance(version, RoomVersion) else ROOM_VERSIONS[version]
        self.server = server
        self.key = key
        self.room_id = RoomId("")
        self.known: dict[EventId, Event] = {}
        self.after: dict[EventId, State] = {}
        self.heads: list[EventId] = []

    def found(self, creator: str, join_rule: str = "public", visibility: str = "shared", **create: Any) -> None:
        """Creates the room, with its creator in it."""
        own = {"creator": creator} if self.version.creator_in_content else {}
        if not self.version.room_id_is_create_hash:
            self.room_id = RoomId(f"!{time.monotonic_ns()}:{self.server}")
        content = {"room_version": self.version.name, **own, **create}
        first = self.make(creator, "m.room.create", content, "", keep=False)
        self.room_id = first.room_id
        self.add(first)
        self.make(creator, "m.room.member", {"membership": "join"}, creator)
        levels = {} if self.version.privileged_creators else {"users": {creator: 100}}
        self.make(creator, "m.room.power_levels", {"invite": 0, **levels}, "")
        self.make(creator, "m.room.join_rules", {"join_rule": join_rule}, "")
        self.make(creator, "m.room.history_visibility", {"history_visibility": visibility}, "")

    def make(
        self,
        sender: str,
        kind: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        *,
        prev: Sequence[Event | EventId] | None = None,
        auth: Sequence[Event | EventId] | None = None,
        keep: bool = True,
        **more: Any,
    ) -> Event:
        """A new event, signed by this peer, upon the heads or `prev`; `keep` it in the graph.

        auth: other auth events than the state there asks for. more: depth, origin_server_ts, redacts.
        """
        before = self.heads if prev is None else _ids(prev)
        state = self.state(before) if before else {}
        keys = auth_keys(kind, sender, state_key, content, self.version)
        cited = [state[key] for key in keys if key in state] if auth is None else _ids(auth)
        deepest = max((self.known[each].depth for each in before if each in self.known), default=0)
        fields = {"depth": deepest + 1, "origin_server_ts": time.time_ns() // 1_000_000, **more}
        no_room_id = kind == "m.room.create" and self.version.room_id_is_create_hash
        event = EventBuilder(
            version=self.version,
            room_id=None if no_room_id else self.room_id,
            sender=UserId(sender),
            type=kind,
            content=content,
            prev_event_ids=before,
            auth_event_ids=cited,
            state_key=state_key,
            reference_hashes={each: self._reference_hash(each) for each in {*before, *cited} if each in self.known},
            **fields,
        ).build(self.server, self.key)
        if keep:
            self.add(event)
        return event

    def say(self, sender: str, text: str, **where: Any) -> Event:
        """A text; `where` as for `make`."""
        return self.make(sender, "m.room.message", {"msgtype": "m.text", "body": text}, **where)

    def template(self, user: str, membership: str, **content: Any) -> Json:
        """What make_join and its like answer."""
        state = self.state(self.heads)
        said = {"membership": membership, **content}
        keys = auth_keys("m.room.member", user, user, said, self.version)
        return EventBuilder(
            version=self.version,
            room_id=self.room_id,
            sender=UserId(user),
            type="m.room.member",
            content=said,
            prev_event_ids=self.heads,
            auth_event_ids=[state[key] for key in keys if key in state],
            state_key=user,
            depth=1 + max(self.known[each].depth for each in self.heads),
            origin_server_ts=time.time_ns() // 1_000_000,
        ).template()

    def add(self, event: Event) -> None:
        """Takes an event into the graph; one whose previous events are unknown stands upon the heads' state."""
        if event.event_id in self.known:
            return
        before = [each for each in event.prev_event_ids if each in self.after] or self.heads
        state = self.state(before) if before else {}
        self.known[event.event_id] = event
        self.after[event.event_id] = {**state, event.key: event.event_id} if event.is_state else state
        self.heads = [each for each in self.heads if each not in event.prev_event_ids] + [event.event_id]

    def adopt(self, state: Iterable[Json], auth_chain: Iterable[Json], join: Event) -> None:
        """Takes over what a resident server has answered to a join."""
        self.room_id = join.room_id
        members = [self.read(pdu) for pdu in state]
        for event in [*(self.read(pdu) for pdu in auth_chain), *members, join]:
            self.known[event.event_id] = event
        self.after[join.event_id] = {**{event.key: event.event_id for event in members}, join.key: join.event_id}
        self.heads = [join.event_id]

    def read(self, pdu: Json) -> Event:
        """The event of a PDU of this room."""
        return event_from_pdu(pdu, self.version)

    def state(self, at: Sequence[EventId] | None = None) -> dict[StateKey, EventId]:
        """The state after these events, or after the heads."""
        states = [self.after[each] for each in (self.heads if at is None else at) if each in self.after]
        return dict(states[0]) if len(states) == 1 else resolve_full(self.version, states, self) if states else {}

    def before(self, event_id: EventId) -> dict[StateKey, EventId]:
        """The state before an event."""
        return self.state(self.known[event_id].prev_event_ids)

    def current(self, kind: str, state_key: str = "") -> Event | None:
        """A piece of the present state."""
        event_id = self.state().get((kind, state_key))
        return None if event_id is None else self.known[event_id]

    def servers(self) -> list[str]:
        """The servers with somebody in the room."""
        state = [self.known[each] for each in self.state().values()]
        joined = [e for e in state if e.type == "m.room.member" and e.content.get("membership") == "join"]
        return sorted({domain_of(event.key[1]) for event in joined})

    def auth_chain(self, ids: Iterable[EventId]) -> list[Event]:
        """All that these events cite, and what that cites."""
        found: dict[EventId, Event] = {}
        waiting = [cited for each in ids if each in self.known for cited in self.known[each].auth_event_ids]
        while waiting:
            each = waiting.pop()
            if each not in found and each in self.known:
                found[each] = self.known[each]
                waiting += self.known[each].auth_event_ids
        return list(found.values())

    def back_from(self, ids: Sequence[EventId], limit: int, known: Collection[EventId] = ()) -> list[Event]:
        """These and what went before, breadth first."""
        found: dict[EventId, Event] = {}
        waiting = list(ids)
        while waiting and len(found) < limit:
            each = waiting.pop(0)
            if each in self.known and each not in found and each not in known and each in self.after:
                found[each] = self.known[each]
                waiting += self.known[each].prev_event_ids
        return list(found.values())

    def _reference_hash(self, event_id: EventId) -> bytes:
        return reference_hash(self.known[event_id].pdu, self.version)

    # What state resolution asks.

    def events(self, ids: Collection[EventId]) -> Mapping[EventId, Event]:
        return {each: self.known[each] for each in ids}

    def rejected(self, ids: Collection[EventId]) -> Collection[EventId]:
        return ()

    def auth_edges(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        return {each: [cited for cited in self.known[each].auth_event_ids if cited in self.known] for each in ids}

    def auth_depths(self, ids: Collection[EventId]) -> Mapping[EventId, int]:
        depths: dict[EventId, int] = {}
        for each in ids:
            self._measure(each, depths)
        return {each: depths[each] for each in ids}

    def _measure(self, event_id: EventId, depths: dict[EventId, int]) -> int:
        if event_id not in depths:
            cited = [each for each in self.known[event_id].auth_event_ids if each in self.known]
            depths[event_id] = 1 + max((self._measure(each, depths) for each in cited), default=0)
        return depths[event_id]


def _ids(events: Sequence[Event | EventId]) -> list[EventId]:
    return [each.event_id if isinstance(each, Event) else each for each in events]
