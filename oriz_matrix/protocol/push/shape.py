"""What one push rule is: its kinds, its form, and the checks of what clients send.

Lenient where the specification is: unknown kinds of conditions are kept and never match, the historical actions
`dont_notify` and `coalesce` are kept and do nothing. Source: client-server API, "Push rules".
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from oriz_matrix.protocol.errors import BadJson, InvalidParam, MissingParam

Action = Any
"""`"notify"`, or `{"set_tweak": name, "value": any}`."""

Condition = Mapping[str, Any]
"""`{"kind": name, ...}`."""

MAX_LENGTH: Final = 512
"""Characters of a rule's id, and of a glob pattern: a bound on the work for one event, and on what an index holds."""

_PLAIN_ACTIONS = frozenset({"notify", "dont_notify", "coalesce"})


class Kind(StrEnum):
    """The kinds of rules, in the order in which they are asked."""

    OVERRIDE = "override"
    CONTENT = "content"
    ROOM = "room"
    SENDER = "sender"
    UNDERRIDE = "underride"


class PushRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, in the form in which clients see it. Immutable: nobody changes what is inside actions and conditions.

    `conditions` belongs to override and underride rules, `pattern` to content rules.
    """

    rule_id: str
    default: bool = False
    enabled: bool = True
    actions: tuple[Action, ...]
    conditions: tuple[Condition, ...] | UnsetType = UNSET
    pattern: str | UnsetType = UNSET

    @property
    def notifies(self) -> bool:
        """Whether a match makes a notification."""
        return "notify" in self.actions

    def to_json(self) -> dict[str, Any]:
        """The rule as in GET /pushrules/global/{kind}/{ruleId}."""
        fields = msgspec.structs.asdict(self)
        return {name: _plain(value) for name, value in fields.items() if value is not UNSET}


def parse_kind(text: str) -> Kind:
    """The kind of rule in a path; raises InvalidParam."""
    try:
        return Kind(text)
    except ValueError:
        raise InvalidParam(f"kind: there are no push rules of the kind {text!r}") from None


def parse_rule(kind: Kind, rule_id: str, body: Mapping[str, Any]) -> PushRule:
    """A user's rule from its id and the body of its PUT; raises MissingParam, InvalidParam, BadJson."""
    if rule_id == "" or rule_id.startswith(".") or "/" in rule_id or "\\" in rule_id:
        raise InvalidParam("rule_id: may not be empty, start with a dot, or contain / or \\")
    _check_length(rule_id, "rule_id")
    if "actions" not in body:
        raise MissingParam("actions: missing")
    return PushRule(
        rule_id=rule_id,
        actions=parse_actions(body["actions"]),
        conditions=_conditions(body.get("conditions", [])) if kind in {Kind.OVERRIDE, Kind.UNDERRIDE} else UNSET,
        pattern=_pattern(body) if kind is Kind.CONTENT else UNSET,
    )


def parse_actions(value: Any) -> tuple[Action, ...]:
    """The actions that a client sets; raises BadJson, InvalidParam for an unknown one."""
    if not isinstance(value, list):
        raise BadJson("actions: not a list")
    for action in value:
        if isinstance(action, str) and action not in _PLAIN_ACTIONS:
            raise InvalidParam(f"actions: {action!r} is not an action")
        if not isinstance(action, str) and not (isinstance(action, dict) and isinstance(action.get("set_tweak"), str)):
            raise InvalidParam("actions: neither the name of an action nor an object with set_tweak")
    return tuple(value)


def _conditions(value: Any) -> tuple[Condition, ...]:
    if not isinstance(value, list):
        raise BadJson("conditions: not a list")
    for condition in value:
        if not isinstance(condition, dict) or not isinstance(condition.get("kind"), str):
            raise BadJson("conditions: not an object with a kind")
        _check_length(condition.get("pattern"), "pattern")
    return tuple(value)


def _pattern(body: Mapping[str, Any]) -> str:
    if "pattern" not in body:
        raise MissingParam("pattern: missing")
    pattern = body["pattern"]
    if not isinstance(pattern, str):
        raise BadJson("pattern: not a string")
    _check_length(pattern, "pattern")
    return pattern


def _check_length(text: Any, field: str) -> None:
    if isinstance(text, str) and len(text) > MAX_LENGTH:
        raise InvalidParam(f"{field}: longer than {MAX_LENGTH} characters")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
