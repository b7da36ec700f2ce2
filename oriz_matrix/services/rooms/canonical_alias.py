"""Canonical aliases: what a local user adds to m.room.canonical_alias must lead to the room.

What stood there already is not asked again, since an alias may be deleted later. Source: client-server API,
"m.room.canonical_alias" and PUT /rooms/{roomId}/state.
"""

from collections.abc import Callable, Mapping
from typing import Any

from oriz_matrix.protocol.errors import BadAlias, InvalidParam
from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import RoomId, parse_room_alias
from oriz_matrix.services.rooms import access
from oriz_matrix.storage import aliases, rooms
from oriz_matrix.storage.transaction import Transaction

CANONICAL_ALIAS: StateKey = ("m.room.canonical_alias", "")


def check(tx: Transaction, room_id: RoomId, content: Mapping[str, Any]) -> None:
    """Raises InvalidParam for what is no alias, and BadAlias for one that does not lead to the room."""
    name = rooms.find(tx, room_id)
    if name is None:
        return  # refused by the append
    present = access.current(tx, rooms.get(tx, [name.nid])[name.nid], [CANONICAL_ALIAS]).get(CANONICAL_ALIAS)
    known = [] if present is None else [text for _, text in _named(present.content)]
    if not isinstance(content.get("alt_aliases", []), list):
        raise InvalidParam("alt_aliases: must be a list of aliases")
    for field, text in _named(content):
        if text not in known:
            alias = parse_room_alias(text, field)
            if aliases.find(tx, alias) != name.nid:
                raise BadAlias(f"{field}: {alias} does not lead to this room")


def keeping(content: Mapping[str, Any], is_kept: Callable[[object], bool]) -> dict[str, Any]:
    """The content with only those of its aliases that are kept."""
    kept = {name: value for name, value in content.items() if name != "alias" or is_kept(value)}
    alternatives = kept.pop("alt_aliases", None)
    if isinstance(alternatives, list) and (left := [alias for alias in alternatives if is_kept(alias)]):
        kept["alt_aliases"] = left
    return kept


def _named(content: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Everything that stands where an alias should, with its field; an empty `alias` takes the present one away."""
    alternatives = content.get("alt_aliases")
    found = [("alt_aliases", alias) for alias in alternatives] if isinstance(alternatives, list) else []
    return found if content.get("alias") in (None, "") else [("alias", content["alias"]), *found]
