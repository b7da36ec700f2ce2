"""How far a user's push rules are from the predefined ones, so that most users need no evaluation of their own.

Clients mute a room with one rule and set it to "mentions only" with another; both are flags of a member in a room.
Whoever has nothing but such rules is served by `outcomes_by_default` and these flags.
"""

from dataclasses import dataclass

from msgspec import UNSET

from oriz_matrix.protocol.push.rules import UserRules, names_room
from oriz_matrix.protocol.push.shape import Kind, PushRule


@dataclass(frozen=True, slots=True)
class Deviation:
    """Muted: nothing in the room notifies. Mentions only: what the predefined override rules say still holds.

    `plain` says that the user has no other enabled rules and changed no predefined rule.
    """

    muted: frozenset[str]
    mentions_only: frozenset[str]
    plain: bool


def deviation(rules: UserRules) -> Deviation:
    """Sort a user's changes into flags of rooms and the rest."""
    override = _enabled(rules, Kind.OVERRIDE)
    rooms = _enabled(rules, Kind.ROOM)
    muted = [room for rule in override if (room := _muted_room(rule)) is not None]
    mentions_only = [rule.rule_id for rule in rooms if not rule.notifies]
    rest = [*_enabled(rules, Kind.CONTENT), *_enabled(rules, Kind.SENDER), *_enabled(rules, Kind.UNDERRIDE)]
    is_plain = len(muted) == len(override) and len(mentions_only) == len(rooms) and not rest and not rules.defaults
    return Deviation(frozenset(muted), frozenset(mentions_only), is_plain)


def _enabled(rules: UserRules, kind: Kind) -> list[PushRule]:
    return [rule for rule in rules.custom.get(kind, ()) if rule.enabled]


def _muted_room(rule: PushRule) -> str | None:
    """The room that an override rule silences: its only condition is the room id, and it does nothing."""
    if rule.notifies or rule.conditions is UNSET or len(rule.conditions) != 1:
        return None
    condition = rule.conditions[0]
    room = condition.get("pattern")
    if not isinstance(room, str) or "*" in room or "?" in room:
        return None
    return room if names_room(condition, room) else None
