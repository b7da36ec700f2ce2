"""Stripped state: what an invite or a knock shows of a room to somebody who is not in it.

Servers send each other whole PDUs (from specification version 1.16 on), clients see four keys of each.
Source: client-server API, "Stripped state"; server-server API, "Inviting to a room", "Knocking upon a room".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oriz_matrix.protocol.events import Event, StateKey

SHOWN_TYPES: Sequence[str] = (
    "m.room.create",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
)
"""The types whose event with an empty state key is shown. Without m.room.create nobody can tell the creators of a room,
nor check its id, in the versions where that is the hash of the create event; it is required since 1.16."""


def shown_keys(sender: str) -> Sequence[StateKey]:
    """What to fetch of the room's state: the shown types, and the membership of who invites or knocks.

    The membership tells the name and picture of the one who invites.
    """
    return [*((kind, "") for kind in SHOWN_TYPES), ("m.room.member", sender)]


def shown_events(state: Mapping[StateKey, Event], sender: str) -> list[Event]:
    """Those events of a room's state that are shown, in the order of `shown_keys`; their PDUs go to other servers."""
    return [state[key] for key in shown_keys(sender) if key in state]


def strip(event: Event) -> dict[str, Any]:
    """The stripped form of a state event: `type`, `state_key`, `sender`, `content`."""
    kind, state_key = event.key
    return {"type": kind, "state_key": state_key, "sender": event.sender, "content": event.content}


def prune(received: object) -> list[dict[str, Any]]:
    """What another server sent as `invite_room_state` or `knock_room_state`, in the stripped form for clients.

    The entries may be PDUs or stripped already; nothing beyond the four keys is passed on, and no malformed entry
    (traps.md 9).
    """
    entries = received if isinstance(received, list) else []
    return [{name: entry[name] for name in _KEYS} for entry in entries if _is_stripped_state(entry)]


_KEYS: Mapping[str, type] = {"type": str, "state_key": str, "sender": str, "content": dict}


def _is_stripped_state(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in _KEYS.items())
