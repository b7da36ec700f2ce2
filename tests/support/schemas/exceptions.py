"""Where a schema of the specification contradicts its text, or cannot be meant: what is put in its place, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Correction:
    """A value in place of that at `place` in `file`, a path from `data/api/client-server`; references stay relative."""

    file: str
    place: Sequence[str]
    value: Any
    reason: str


ANSWER = ("get", "responses", "200", "content", "application/json", "schema")

CORRECTIONS = (
    Correction(
        file="old_sync.yaml",
        place=("paths", "/events", *ANSWER, "properties", "chunk", "items"),
        value={
            "if": {"required": ["event_id"]},
            "then": {"$ref": "definitions/client_event.yaml"},
            "else": {"type": "object", "required": ["type", "content"], "properties": {"type": {"type": "string"}}},
        },
        reason="Typing, receipts and account data come this way too, as their modules say, and have no event ID.",
    ),
    Correction(
        file="rooms.yaml",
        place=("paths", "/rooms/{roomId}/state/{eventType}/{stateKey}", *ANSWER),
        value={"type": "object"},
        reason="It is `oneOf` any object and a state event; a state event is also an object, so that it never fits.",
    ),
    Correction(
        file="room_initial_sync.yaml",
        place=("paths", "/rooms/{roomId}/initialSync", *ANSWER, "properties", "membership", "enum"),
        value=["invite", "join", "knock", "leave", "ban"],
        reason="The list is older than knocking; who has been in a room before may read in it and knock at once.",
    ),
)
