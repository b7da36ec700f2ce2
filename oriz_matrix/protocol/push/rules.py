"""A user's push rules: what they changed, merged with the predefined rules, and the operations that change it.

Stored are only the changes (`UserRules`); the predefined rules come from code, so that a new version of the
specification reaches everyone. All functions are pure: they give new values. The nine operations of the API:

    GET  pushrules/, pushrules/global/         merge, to_json
    GET  .../{kind}/{ruleId}                   find, PushRule.to_json
    PUT  .../{kind}/{ruleId}                   parse_rule, add
    DELETE .../{kind}/{ruleId}                 remove
    GET  .../enabled, .../actions              find
    PUT  .../enabled, .../actions              set_enabled, set_actions

Source: client-server API, "Push rules", data/api/client-server/pushrules.yaml.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from oriz_matrix.protocol.errors import BadRequest, InvalidParam, NotFound
from oriz_matrix.protocol.push.defaults import DEFAULT_RULES, MASTER, RuleSet, default_rules
from oriz_matrix.protocol.push.shape import Action, Condition, Kind, PushRule

CARRIED = (Kind.ROOM, Kind.OVERRIDE, Kind.UNDERRIDE)
"""The kinds of rules that can be about one room."""


class DefaultChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a user changed of one predefined rule; None where it is as predefined."""

    enabled: bool | None = None
    actions: tuple[Action, ...] | None = None


class UserRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """All changes of one user; `UserRules()` for who changed nothing. msgspec's JSON of it is the stored form.

    `custom` holds their own rules by kind, the most important first; `defaults` the changes by rule id. A change of
    a rule that is no longer predefined is kept and has no effect.
    """

    custom: dict[Kind, tuple[PushRule, ...]] = {}
    defaults: dict[str, DefaultChange] = {}


def merge(rules: UserRules, user_id: str) -> RuleSet:
    """All rules of a user in the order in which they are asked: the master rule, their own, the predefined."""
    return {
        kind: _in_order(rules.custom.get(kind, ()), [_changed(rule, rules.defaults) for rule in predefined])
        for kind, predefined in default_rules(user_id).items()
    }


def to_json(rules: RuleSet) -> dict[str, Any]:
    """The answer of GET /pushrules/, which is also the content of the account data m.push_rules."""
    return {"global": {kind.value: [rule.to_json() for rule in rules[kind]] for kind in Kind}}


def find(rules: RuleSet, kind: Kind, rule_id: str) -> PushRule:
    """One rule; raises NotFound."""
    for rule in rules[kind]:
        if rule.rule_id == rule_id:
            return rule
    raise NotFound("The push rule was not found")


def add(rules: UserRules, kind: Kind, rule: PushRule, before: str | None = None, after: str | None = None) -> UserRules:
    """Add a rule from `parse_rule`, or replace the one of its id, which keeps whether it is enabled.

    `before` and `after` name an own rule that the new one comes directly before (more important) or after; `before`
    decides where both are given. Without them a new rule becomes the most important and an old one keeps its place.
    Raises InvalidParam for a place beside a predefined rule, BadRequest for one beside an unknown rule.
    """
    own = list(rules.custom.get(kind, ()))
    place = _index(own, rule.rule_id)
    if place is not None:
        rule = msgspec.structs.replace(rule, enabled=own.pop(place).enabled)
    anchor = after if before is None else before
    if anchor is not None:
        place = _index_of_anchor(own, anchor) + (before is None)
    own.insert(place or 0, rule)
    return _with_own(rules, kind, own)


def remove(rules: UserRules, kind: Kind, rule_id: str) -> UserRules:
    """Remove an own rule; raises NotFound, InvalidParam for a predefined one."""
    if _predefined(kind, rule_id) is not None:
        raise InvalidParam("rule_id: a predefined rule cannot be removed, only disabled")
    own = list(rules.custom.get(kind, ()))
    del own[_existing(own, rule_id)]
    return _with_own(rules, kind, own)


def set_enabled(rules: UserRules, kind: Kind, rule_id: str, enabled: bool) -> UserRules:
    """Switch a rule on or off; raises NotFound."""
    return _change(rules, kind, rule_id, {"enabled": enabled})


def set_actions(rules: UserRules, kind: Kind, rule_id: str, actions: tuple[Action, ...]) -> UserRules:
    """Set what a rule does (from `parse_actions`); raises NotFound."""
    return _change(rules, kind, rule_id, {"actions": actions})


def carry_over(rules: UserRules, old_room: str, new_room: str) -> UserRules:
    """Give the room that replaces `old_room` the same rules: its room rule, and the override and underride rules
    that name it in a condition ("Room upgrades": users' settings should follow them)."""
    for kind in CARRIED:
        for rule in reversed(rules.custom.get(kind, ())):
            moved = _for_room(rule, kind, old_room, new_room)
            if moved is not None:
                rules = add(rules, kind, moved)
                rules = set_enabled(rules, kind, moved.rule_id, rule.enabled)
    return rules


def has_rules_for(rules: UserRules, room_id: str) -> bool:
    """Whether the user has rules of their own for a room, which `carry_over` would mix with those of another."""
    return any(_for_room(rule, kind, room_id, room_id) for kind in CARRIED for rule in rules.custom.get(kind, ()))


def names_room(condition: Condition, room_id: str) -> bool:
    """Whether a condition is the one that restricts a rule to this room."""
    return condition == {"kind": "event_match", "key": "room_id", "pattern": room_id}


def _in_order(own: Sequence[PushRule], predefined: Sequence[PushRule]) -> tuple[PushRule, ...]:
    master = [rule for rule in predefined if rule.rule_id == MASTER]
    return (*master, *own, *(rule for rule in predefined if rule.rule_id != MASTER))


def _changed(rule: PushRule, changes: Mapping[str, DefaultChange]) -> PushRule:
    change = changes.get(rule.rule_id)
    if change is None:
        return rule
    enabled = rule.enabled if change.enabled is None else change.enabled
    actions = rule.actions if change.actions is None else change.actions
    return msgspec.structs.replace(rule, enabled=enabled, actions=actions)


def _change(rules: UserRules, kind: Kind, rule_id: str, fields: Mapping[str, Any]) -> UserRules:
    predefined = _predefined(kind, rule_id)
    if predefined is not None:
        return _with_default(rules, predefined, fields)
    own = list(rules.custom.get(kind, ()))
    place = _existing(own, rule_id)
    own[place] = msgspec.structs.replace(own[place], **fields)
    return _with_own(rules, kind, own)


def _with_default(rules: UserRules, predefined: PushRule, fields: Mapping[str, Any]) -> UserRules:
    """Only what differs is kept, so that changing a rule back leaves no trace."""
    rule = msgspec.structs.replace(_changed(predefined, rules.defaults), **fields)
    change = DefaultChange(
        enabled=None if rule.enabled == predefined.enabled else rule.enabled,
        actions=None if rule.actions == predefined.actions else rule.actions,
    )
    others = {rule_id: other for rule_id, other in rules.defaults.items() if rule_id != predefined.rule_id}
    defaults = others if change == DefaultChange() else {**others, predefined.rule_id: change}
    return msgspec.structs.replace(rules, defaults=defaults)


def _with_own(rules: UserRules, kind: Kind, own: Sequence[PushRule]) -> UserRules:
    custom = {**rules.custom, kind: tuple(own)}
    return msgspec.structs.replace(rules, custom={key: value for key, value in custom.items() if value})


def _predefined(kind: Kind, rule_id: str) -> PushRule | None:
    return next((rule for rule in DEFAULT_RULES[kind] if rule.rule_id == rule_id), None)


def _index(own: Sequence[PushRule], rule_id: str) -> int | None:
    return next((index for index, rule in enumerate(own) if rule.rule_id == rule_id), None)


def _existing(own: Sequence[PushRule], rule_id: str) -> int:
    index = _index(own, rule_id)
    if index is None:
        raise NotFound("The push rule was not found")
    return index


def _index_of_anchor(own: Sequence[PushRule], rule_id: str) -> int:
    if rule_id.startswith("."):
        raise InvalidParam("before/after: a rule cannot be placed beside a predefined one")
    index = _index(own, rule_id)
    if index is None:
        raise BadRequest(f"before/after rule not found: {rule_id}")
    return index


def _for_room(rule: PushRule, kind: Kind, old_room: str, new_room: str) -> PushRule | None:
    """The rule for the new room, None where it is not about the old one."""
    if kind is Kind.ROOM:
        return msgspec.structs.replace(rule, rule_id=new_room) if rule.rule_id == old_room else None
    conditions = () if rule.conditions is UNSET else rule.conditions
    if not any(names_room(condition, old_room) for condition in conditions):
        return None
    moved = [{**each, "pattern": new_room} if names_room(each, old_room) else each for each in conditions]
    rule_id = rule.rule_id.replace(old_room, new_room) if old_room in rule.rule_id else f"{rule.rule_id} {new_room}"
    return msgspec.structs.replace(rule, rule_id=rule_id, conditions=tuple(moved))
