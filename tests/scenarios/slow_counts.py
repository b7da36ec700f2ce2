"""A slow, obvious evaluation of what is unread: over all events of a room, for one user, by the words of the spec.

It knows what people did, and nothing of how the server counts. Source: client-server API, "Receiving notifications".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.push.conditions import RoomContext
from oriz_matrix.protocol.push.defaults import RuleSet
from oriz_matrix.protocol.push.evaluate import CompiledRules
from oriz_matrix.protocol.push.shape import Kind, PushRule
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS

Json = dict[str, Any]
Count = tuple[int, int]
"""(notifications, highlights)."""

MAIN = "main"
HOPS = 3


def rule_set(answer: Json) -> RuleSet:
    """The rules of an answer of GET /pushrules/."""
    rules = answer["global"]
    return {kind: tuple(msgspec.convert(rule, PushRule) for rule in rules[kind.value]) for kind in Kind}


@dataclass
class Said:
    """An event of the room: its thread, and to whom it was what when it came."""

    event_id: str
    sender: str
    content: Mapping[str, Any]
    thread: str
    outcomes: dict[str, tuple[bool, bool]]
    renames: bool = False
    redacted: bool = False


@dataclass
class Ledger:
    """What happened in a room, and what its people want to hear of."""

    room_id: str
    rules: dict[str, RuleSet] = field(default_factory=dict)
    ignored: dict[str, set[str]] = field(default_factory=dict)
    members: dict[str, str | None] = field(default_factory=dict)
    """Who is in the room, with the names that they have in it."""
    levels: dict[str, int] = field(default_factory=dict)
    events: list[Said] = field(default_factory=list)
    receipts: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, event: Json) -> None:
        """An event came; the members are still those from before it."""
        sender, content = event["sender"], event["content"]
        room = RoomContext(len(self.members), self.levels[sender], lambda _: 50)
        pdu = Event(ROOM_VERSIONS["11"], EventId(event["event_id"]), RoomId(self.room_id), event)
        outcomes = {}
        for user, name in self.members.items():
            outcome = CompiledRules(self.rules[user]).outcome(pdu, room, name)
            outcomes[user] = (outcome.notify, outcome.highlight)
        renames = event.get("state_key") == sender in self.members and content.get("membership") == "join"
        said = Said(event["event_id"], sender, content, self._thread(content), outcomes, renames)
        self.events.append(said)
        if event["type"] == "m.room.member":
            self._move(event["state_key"], content)

    def _move(self, user: str, content: Json) -> None:
        if content["membership"] == "join":
            self.members[user] = content.get("displayname")
        else:
            self.members.pop(user, None)

    def redact(self, event_id: str) -> None:
        """An event was taken back."""
        self.at(event_id).redacted = True

    def read(self, user: str, kind: str, thread: str, event_id: str) -> None:
        """A receipt was sent; one that goes back is none."""
        place = [said.event_id for said in self.events].index(event_id)
        key = (user, kind, thread)
        self.receipts[key] = max(self.receipts.get(key, -1), place)

    def at(self, event_id: str) -> Said:
        """One event."""
        return next(said for said in self.events if said.event_id == event_id)

    def _thread(self, content: Mapping[str, Any]) -> str:
        for _ in range(HOPS + 1):
            relation = content.get("m.relates_to", {})
            if relation.get("rel_type") == "m.thread":
                return str(relation["event_id"])
            parents = [said for said in self.events if said.event_id == relation.get("event_id")]
            if "rel_type" not in relation or not parents:
                break
            content = parents[0].content
        return MAIN

    def counts(self, user: str) -> dict[str, Count]:
        """By thread that has something (and always "main"), what is unread."""
        found: dict[str, Count] = {MAIN: (0, 0)}
        for place, said in enumerate(self.events):
            if said.redacted or said.sender in {user, *self.ignored[user]}:
                continue
            if place <= self._read_up_to(user, said.thread):
                continue
            notifies, highlights = said.outcomes.get(user, (False, False))
            notifications, highlighted = found.get(said.thread, (0, 0))
            found[said.thread] = (notifications + notifies, highlighted + highlights)
        return {thread: count for thread, count in found.items() if thread == MAIN or any(count)}

    def _read_up_to(self, user: str, thread: str) -> int:
        own = [place for place, said in enumerate(self.events) if said.sender == user and not said.renames]
        read = [
            place for (reader, _, where), place in self.receipts.items() if reader == user and where in ("", thread)
        ]
        return max([-1, *own, *read])


def total(counts: dict[str, Count]) -> Count:
    """In the whole room."""
    return sum(n for n, _ in counts.values()), sum(h for _, h in counts.values())
