"""Power: what users may do by their levels, and the rule for changes of the levels.

The levels themselves, with their defaults, are read by `event_contents.PowerLevels`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS, Create, Level, PowerLevels, parse_level
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import domain_of, is_user_id
from oriz_matrix.protocol.room_versions import PowerLevelType

State = Mapping[StateKey, Event]
"""A room's state, or the part of it that the question at hand needs."""

NAMED_LEVELS = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")


def power_levels(state: State) -> PowerLevels:
    """The room's levels; the state needs the create event and, where there is one, m.room.power_levels."""
    create = state.get(CREATE)
    if create is None:
        raise Forbidden("The room has no m.room.create event")
    return PowerLevels(Create(create), state.get(POWER_LEVELS))


def may_send(user_id: str, event_type: str, state: State, *, is_state: bool) -> bool:
    """Whether the user's level is enough for events of this type; says nothing about their membership."""
    levels = power_levels(state)
    return levels.user(user_id) >= levels.required(event_type, is_state=is_state)


def may_redact(redaction: Event, target: Event, state: State) -> bool:
    """Whether an accepted redaction takes effect: by level, or as something of the sender's own server.

    A redaction acts in its own room only (traps.md 41). Source: room version 3, "Handling redactions"; in versions
    before, the authorization rules have judged the redaction, and nothing more is asked.
    """
    if redaction.room_id != target.room_id:
        return False
    if redaction.version.redaction_rule or domain_of(redaction.sender) == domain_of(target.sender):
        return True
    levels = power_levels(state)
    return levels.user(redaction.sender) >= levels.redact


def check_redaction(event: Event, levels: PowerLevels) -> None:
    """The rule for m.room.redaction of room versions 1 and 2, where event ids have a domain."""
    if levels.user(event.sender) >= levels.redact:
        return
    target = event.redacts
    if not isinstance(target, str) or domain_of(target) != domain_of(event.event_id):
        raise Forbidden("m.room.redaction: the sender's power level is too low for another server's event")


def check_power_shape(event: Event) -> None:
    """The part of the rule for m.room.power_levels that needs no state: levels are levels, users are users.

    The specification asks this of all levels only from room version 10 on, and before of `users`. But a level that
    cannot be read can be compared with nothing, so it is refused in every version, as other servers do.
    """
    content, kind = event.content, event.version.power_level_type
    for name in NAMED_LEVELS:
        if name in content and parse_level(kind, content[name]) is None:
            raise Forbidden(f"m.room.power_levels: {name} is not a level")
    for name in [*_event_maps(event), "users"]:
        _check_level_map(content.get(name, {}), name, kind)
    if not all(is_user_id(user_id) for user_id in content.get("users", {})):
        raise Forbidden("m.room.power_levels: users holds something that is not a user id")


def _check_level_map(levels: object, name: str, kind: PowerLevelType) -> None:
    if not isinstance(levels, Mapping) or any(parse_level(kind, value) is None for value in levels.values()):
        raise Forbidden(f"m.room.power_levels: {name} is not an object of levels")


def _event_maps(event: Event) -> tuple[str, ...]:
    return ("events", "notifications") if event.version.notification_levels else ("events",)


def check_power_levels(event: Event, state: State, create: Create, own: Level) -> None:
    """Raise Forbidden unless the sender, whose level is `own`, may change the levels so."""
    if create.version.privileged_creators and any(create.is_creator(user) for user in event.content.get("users", {})):
        raise Forbidden("m.room.power_levels: users names a creator of the room")
    previous = state.get(POWER_LEVELS)
    if previous is None:
        return
    kind = event.version.power_level_type
    old, new = previous.content, event.content
    _check_changes("a default", _named(old, kind), _named(new, kind), own)
    for name in _event_maps(event):
        _check_changes(name, _levels(old.get(name), kind), _levels(new.get(name), kind), own)
    old_users, new_users = _levels(old.get("users"), kind), _levels(new.get("users"), kind)
    _check_changes("users", old_users, new_users, own)
    for user_id, before, _ in _changes(old_users, new_users):
        if user_id != event.sender and before is not None and before >= own:
            raise Forbidden("m.room.power_levels: the sender's level is not above that of a user whom it changes")


def _check_changes(what: str, old: Mapping[str, int], new: Mapping[str, int], own: Level) -> None:
    for key, before, after in _changes(old, new):
        if (before is not None and before > own) or (after is not None and after > own):
            raise Forbidden(f"m.room.power_levels: {what} ({key}) is changed from or to more than the sender's level")


def _changes(old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[tuple[str, int | None, int | None]]:
    """(key, level before, level after) where they differ; None where the key is absent."""
    if old == new:
        return
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before != after:
            yield key, before, after


def _named(content: Mapping[str, Any], kind: PowerLevelType) -> dict[str, int]:
    return _levels({name: content[name] for name in NAMED_LEVELS if name in content}, kind)


def _levels(value: Any, kind: PowerLevelType) -> dict[str, int]:
    entries = value.items() if isinstance(value, Mapping) else ()
    parsed = ((key, parse_level(kind, level)) for key, level in entries)
    return {key: level for key, level in parsed if level is not None}
