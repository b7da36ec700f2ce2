"""Event + push rules → what a receiver is told. Rules are compiled once and evaluated for many events.

`CompiledRules` are the rules of one user. `outcomes_by_default` answers for everyone who has only the predefined
rules at once: one outcome for all, and the few users for whom it differs. Neither knows who must not be
told at all: the sender, and who ignores the sender (that is the caller's part).
Source: client-server API, "Push notifications".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.push.conditions import RoomContext, Test, compile_condition, may_notify
from oriz_matrix.protocol.push.defaults import DEFAULT_RULES, INVITE, PERSONAL, USER_MENTION, RuleSet
from oriz_matrix.protocol.push.shape import Action, Condition, Kind, PushRule


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rule that matched says. `actions` are its actions as clients see them, `kind` and `rule_id` its name.

    `tweaks` is what push gateways get; `highlight` and `sound` are parts of it. All are empty where nothing matched.
    """

    notify: bool = False
    highlight: bool = False
    sound: str | None = None
    tweaks: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    kind: Kind | None = None
    rule_id: str | None = None


NOTHING: Final = Outcome()


def outcome_of(kind: Kind, rule: PushRule) -> Outcome:
    """What a match of this rule means. A rule without `notify` means nothing, whatever its tweaks."""
    if not rule.notifies:
        return Outcome(actions=rule.actions, kind=kind, rule_id=rule.rule_id)
    tweaks = {
        action["set_tweak"]: action.get("value", True if action["set_tweak"] == "highlight" else None)
        for action in rule.actions
        if isinstance(action, Mapping)
    }
    sound = tweaks.get("sound")
    return Outcome(
        notify=True,
        highlight=tweaks.get("highlight", False) is True,
        sound=sound if isinstance(sound, str) else None,
        tweaks=tweaks,
        actions=rule.actions,
        kind=kind,
        rule_id=rule.rule_id,
    )


class CompiledRules:
    """The enabled rules of one user, ready to be asked. Immutable."""

    def __init__(self, rules: RuleSet) -> None:
        self._override = _compile(Kind.OVERRIDE, rules)
        self._content = _compile(Kind.CONTENT, rules)
        self._rooms = _by_id(Kind.ROOM, rules)
        self._senders = _by_id(Kind.SENDER, rules)
        self._underride = _compile(Kind.UNDERRIDE, rules)
        self.asks_for_names = any(_asks_for_names(rule) for each in rules.values() for rule in each)
        """Whether the receiver's display name may decide."""

    def outcome(self, event: Event, room: RoomContext, display_name: str | None = None) -> Outcome:
        """What the most important matching rule says. `display_name` is the receiver's in the room, if any."""
        return (
            _first_match(self._override, event, room, display_name)
            or _first_match(self._content, event, room, display_name)
            or self._rooms.get(event.room_id)
            or self._senders.get(event.sender)
            or _first_match(self._underride, event, room, display_name)
            or NOTHING
        )


@dataclass(frozen=True, slots=True)
class DefaultOutcomes:
    """What the predefined rules say: to everyone, and to those for whom a personal rule (invite, mention) matched.

    `personal` may name users of other servers, users outside the room and the sender.
    """

    everyone: Outcome
    personal: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Mentions:
    """Whom `m.mentions` names: users by id, and the whole room if the sender may do that."""

    user_ids: frozenset[str]
    room: bool


def outcomes_by_default(event: Event, room: RoomContext) -> DefaultOutcomes:
    """What everyone with unchanged rules is told, in one evaluation."""
    everyone = _IMPERSONAL.outcome(event, room)
    rule_id, targets = _personal_targets(event)
    if not targets:
        return DefaultOutcomes(everyone, {})
    earlier = _first_match(_EARLIER[rule_id], event, room, None)
    return DefaultOutcomes(everyone, {} if earlier else dict.fromkeys(targets, _PERSONAL_OUTCOMES[rule_id]))


def notifies_by_default(event: Event, room: RoomContext) -> bool:
    """Whether the event counts as unread for those who have only predefined rules and are not addressed themselves."""
    return _IMPERSONAL.outcome(event, room).notify


def mentions(event: Event, room: RoomContext) -> Mentions:
    """The mentions in an event, whatever rules the mentioned have."""
    mentioned = event.content.get("m.mentions")
    if not isinstance(mentioned, Mapping):
        return Mentions(frozenset(), room=False)
    whole_room = mentioned.get("room") is True and may_notify(room, "room")
    return Mentions(_mentioned_users(mentioned), whole_room)


def _mentioned_users(mentioned: Mapping[str, Any]) -> frozenset[str]:
    user_ids = mentioned.get("user_ids")
    return frozenset(user for user in user_ids if isinstance(user, str)) if isinstance(user_ids, list) else frozenset()


_Compiled = Sequence[tuple[Sequence[Test], Outcome]]


def _first_match(rules: _Compiled, event: Event, room: RoomContext, display_name: str | None) -> Outcome | None:
    for tests, outcome in rules:
        for test in tests:
            if not test(event, room, display_name):
                break
        else:
            return outcome
    return None


def _compile(kind: Kind, rules: RuleSet) -> _Compiled:
    compiled = [(_tests(kind, rule), outcome_of(kind, rule)) for rule in rules[kind] if rule.enabled]
    return [(tests, outcome) for tests, outcome in compiled if tests is not None]


def _tests(kind: Kind, rule: PushRule) -> Sequence[Test] | None:
    """What must hold for the rule to match, None where that is never so."""
    tests = [compile_condition(condition) for condition in _conditions(kind, rule)]
    known = [test for test in tests if test is not None]
    return known if len(known) == len(tests) else None


def _conditions(kind: Kind, rule: PushRule) -> Sequence[Condition]:
    if kind is Kind.CONTENT:
        return [{"kind": "event_match", "key": "content.body", "pattern": rule.pattern}]
    return () if rule.conditions is UNSET else rule.conditions


def _asks_for_names(rule: PushRule) -> bool:
    conditions = () if rule.conditions is UNSET else rule.conditions
    return rule.enabled and any(condition.get("kind") == "contains_display_name" for condition in conditions)


def _by_id(kind: Kind, rules: RuleSet) -> Mapping[str, Outcome]:
    """Room and sender rules match by their id alone, so thousands of them cost one look-up."""
    return {rule.rule_id: outcome_of(kind, rule) for rule in rules[kind] if rule.enabled}


def _impersonal(rules: Sequence[PushRule]) -> tuple[PushRule, ...]:
    return tuple(rule for rule in rules if rule.rule_id not in PERSONAL)


def _before(rule_id: str) -> _Compiled:
    """The impersonal predefined override rules that are asked before this one."""
    override = DEFAULT_RULES[Kind.OVERRIDE]
    place = [rule.rule_id for rule in override].index(rule_id)
    return _compile(Kind.OVERRIDE, {Kind.OVERRIDE: _impersonal(override[:place])})


def _personal_targets(event: Event) -> tuple[str, frozenset[str]]:
    """The personal rule that can match for somebody, and for whom."""
    if event.type == "m.room.member":
        invited = event.content.get("membership") == "invite" and event.state_key is not None
        return INVITE, frozenset({event.state_key or ""}) if invited else frozenset()
    mentioned = event.content.get("m.mentions")
    return USER_MENTION, _mentioned_users(mentioned) if isinstance(mentioned, Mapping) else frozenset()


_IMPERSONAL: Final = CompiledRules({kind: _impersonal(rules) for kind, rules in DEFAULT_RULES.items()})
_EARLIER: Final = {rule_id: _before(rule_id) for rule_id in PERSONAL}
_PERSONAL_OUTCOMES: Final = {
    rule.rule_id: outcome_of(Kind.OVERRIDE, rule) for rule in DEFAULT_RULES[Kind.OVERRIDE] if rule.rule_id in PERSONAL
}
