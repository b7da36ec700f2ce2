"""How far a user's push rules are from the predefined ones, so that most users need no evaluation of their own.

Clients mute a room with one rule and set it to "mentions only" with another; both are flags of a member in a room, as
the master rule is one of the whole account. Whoever has nothing but such rules is served by `outcomes_by_default` and
these flags.
"""

from dataclasses import dataclass
from itertools import takewhile

from msgspec import UNSET

from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.identifiers import parse_room_id
from oriz_matrix.protocol.push.defaults import MASTER
from oriz_matrix.protocol.push.rules import DefaultChange, UserRules, names_room
from oriz_matrix.protocol.push.shape import Kind, PushRule


@dataclass(frozen=True, slots=True)
class Deviation:
    """Muted: nothing in the room notifies. Mentions only: nothing does but by rules that are asked before the room's.

    `plain` says that the user has no other enabled rules and changed no predefined rule; `silent` that the master rule
    keeps everything from them.
    """

    muted: frozenset[str]
    mentions_only: frozenset[str]
    plain: bool
    silent: bool = False


def deviation(rules: UserRules) -> Deviation:
    """Sort a user's changes into flags of rooms and the rest."""
    override = _enabled(rules, Kind.OVERRIDE)
    rooms = _enabled(rules, Kind.ROOM)
    # A rule of another form that comes before one that mutes may match in the room.
    mutes = list(takewhile(lambda rule: _muted_room(rule) is not None, override))
    mentions_only = [rule.rule_id for rule in rooms if not rule.notifies]
    rest = [*_enabled(rules, Kind.CONTENT), *_enabled(rules, Kind.SENDER), *_enabled(rules, Kind.UNDERRIDE)]
    return Deviation(
        muted=frozenset(room for rule in mutes if (room := _muted_room(rule)) is not None),
        mentions_only=frozenset(mentions_only),
        plain=len(mutes) == len(override) and len(mentions_only) == len(rooms) and not rest and not rules.defaults,
        silent=_is_silent(rules.defaults.get(MASTER, DefaultChange())),
    )


def _enabled(rules: UserRules, kind: Kind) -> list[PushRule]:
    return [rule for rule in rules.custom.get(kind, ()) if rule.enabled]


def _is_silent(master: DefaultChange) -> bool:
    """Whether the master rule is on, and does nothing as it was meant to."""
    return master.enabled is True and "notify" not in (master.actions or ())


def _muted_room(rule: PushRule) -> str | None:
    """The room that an override rule silences: its only condition is the room id, and it does nothing."""
    if rule.notifies or rule.conditions is UNSET or len(rule.conditions) != 1:
        return None
    condition = rule.conditions[0]
    try:
        room = parse_room_id(condition.get("pattern"), "pattern")
    except InvalidParam:
        return None
    return room if "*" not in room and "?" not in room and names_room(condition, room) else None
