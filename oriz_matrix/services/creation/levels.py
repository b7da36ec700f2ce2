"""Power levels at a room upgrade: those of the new room, and those that close the old one. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from oriz_matrix.protocol.event_contents import Create, parse_level
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import UserId, is_user_id
from oriz_matrix.protocol.room_versions import PowerLevelType, RoomVersion

TOMBSTONE = "m.room.tombstone"
MAPS = ("events", "users", "notifications")
"""The members that hold levels by name; all others are levels themselves."""
LARGEST = 2**53 - 1
CLOSED = 50
"""What a closed room asks at least of who wants to write or invite (client-server API, "Room Upgrades")."""


def copied(event: Event, old: Create, version: RoomVersion, creators: Collection[UserId]) -> dict[str, Any]:
    """The content of the new room's m.room.power_levels, from the old one's.

    Levels become integers, as room versions from 10 on want them. Who is a creator of a room where these have all power
    has no level beside it; who was one and is none any more gets the highest of all (MSC4289).
    """
    kind, content = old.version.power_level_type, event.content
    new: dict[str, Any] = dict(_levels({name: level for name, level in content.items() if name not in MAPS}, kind))
    maps = {name: dict(_levels(content[name], kind)) for name in MAPS if name in content}
    users = {user: level for user, level in maps.get("users", {}).items() if is_user_id(user)}
    if version.privileged_creators:
        users = {user: level for user, level in users.items() if user not in creators}
        if not old.version.privileged_creators:
            events = maps.setdefault("events", {})
            events[TOMBSTONE] = max(150, events.get(TOMBSTONE, 0))  # as in a new room
    elif old.version.privileged_creators:
        users |= dict.fromkeys(old.creators, max(100, *new.values(), *maps.get("events", {}).values(), *users.values()))
    return {**new, **maps, "users": users}


def closed(event: Event) -> dict[str, Any]:
    """The content of the old room's m.room.power_levels that lets only few write and invite."""
    kind, content = event.version.power_level_type, event.content
    least = max(CLOSED, (parse_level(kind, content.get("users_default")) or 0) + 1)
    raised = {name: max(least, parse_level(kind, content.get(name)) or 0) for name in ("events_default", "invite")}
    return {**content, **raised}


def _levels(value: Any, kind: PowerLevelType) -> Iterator[tuple[str, int]]:
    """What of an object is a level, within the bounds of canonical JSON."""
    for name, level in value.items() if isinstance(value, Mapping) else ():
        if (parsed := parse_level(kind, level)) is not None:
            yield name, max(-LARGEST, min(parsed, LARGEST))
