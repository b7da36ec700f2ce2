"""The predefined push rules of Matrix v1.19 as data, each kind in the order in which its rules are asked.

The rules that looked for mentions in the body (`.m.rule.contains_display_name`, `.m.rule.roomnotif`,
`.m.rule.contains_user_name`) left the specification in v1.17 and are not here; the condition
`contains_display_name` is still known, for users' own rules. Source: client-server API, "Predefined rules".
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from oriz_matrix.protocol.push.shape import Action, Condition, Kind, PushRule

RuleSet = Mapping[Kind, tuple[PushRule, ...]]
"""All rules of one user, each kind from the most important to the least."""

MASTER: Final = ".m.rule.master"
INVITE: Final = ".m.rule.invite_for_me"
USER_MENTION: Final = ".m.rule.is_user_mention"

_ME: Final = "[the user's Matrix ID]"  # the specification's own placeholder
_NOTIFY: Final = "notify"
_HIGHLIGHT: Final = {"set_tweak": "highlight"}
_SOUND: Final = {"set_tweak": "sound", "value": "default"}
_RING: Final = {"set_tweak": "sound", "value": "ring"}
_TWO_MEMBERS: Final = {"kind": "room_member_count", "is": "2"}


def _rule(rule_id: str, conditions: list[Condition], *actions: Action) -> PushRule:
    return PushRule(
        rule_id=rule_id, default=True, enabled=rule_id != MASTER, conditions=tuple(conditions), actions=actions
    )


def _match(key: str, pattern: str) -> Condition:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _is(key: str, value: Any) -> Condition:
    return {"kind": "event_property_is", "key": key, "value": value}


DEFAULT_RULES: Final[RuleSet] = {
    Kind.OVERRIDE: (
        _rule(MASTER, []),
        _rule(".m.rule.suppress_notices", [_match("content.msgtype", "m.notice")]),
        _rule(
            INVITE,
            [_match("type", "m.room.member"), _match("content.membership", "invite"), _match("state_key", _ME)],
            _NOTIFY,
            _SOUND,
        ),
        _rule(".m.rule.member_event", [_match("type", "m.room.member")]),
        _rule(
            USER_MENTION,
            [{"kind": "event_property_contains", "key": r"content.m\.mentions.user_ids", "value": _ME}],
            _NOTIFY,
            _SOUND,
            _HIGHLIGHT,
        ),
        _rule(
            ".m.rule.is_room_mention",
            [_is(r"content.m\.mentions.room", True), {"kind": "sender_notification_permission", "key": "room"}],
            _NOTIFY,
            _HIGHLIGHT,
        ),
        _rule(".m.rule.tombstone", [_match("type", "m.room.tombstone"), _match("state_key", "")], _NOTIFY, _HIGHLIGHT),
        _rule(".m.rule.reaction", [_match("type", "m.reaction")]),
        _rule(".m.rule.room.server_acl", [_match("type", "m.room.server_acl"), _match("state_key", "")]),
        _rule(".m.rule.suppress_edits", [_is(r"content.m\.relates_to.rel_type", "m.replace")]),
    ),
    Kind.CONTENT: (),
    Kind.ROOM: (),
    Kind.SENDER: (),
    Kind.UNDERRIDE: (
        _rule(".m.rule.call", [_match("type", "m.call.invite")], _NOTIFY, _RING),
        _rule(".m.rule.encrypted_room_one_to_one", [_TWO_MEMBERS, _match("type", "m.room.encrypted")], _NOTIFY, _SOUND),
        _rule(".m.rule.room_one_to_one", [_TWO_MEMBERS, _match("type", "m.room.message")], _NOTIFY, _SOUND),
        _rule(".m.rule.message", [_match("type", "m.room.message")], _NOTIFY),
        _rule(".m.rule.encrypted", [_match("type", "m.room.encrypted")], _NOTIFY),
    ),
}
"""Every predefined rule; two of them hold a placeholder where a user's id belongs."""

PERSONAL: Final = frozenset({INVITE, USER_MENTION})
"""The predefined rules that match for one receiver and not for another."""


def default_rules(user_id: str) -> RuleSet:
    """The predefined rules of one user, as they are before any change."""
    return {kind: tuple(_personal(rule, user_id) for rule in rules) for kind, rules in DEFAULT_RULES.items()}


def _personal(rule: PushRule, user_id: str) -> PushRule:
    if rule.rule_id not in PERSONAL or rule.conditions is UNSET:
        return rule
    conditions = [
        {name: user_id if value == _ME else value for name, value in condition.items()} for condition in rule.conditions
    ]
    return msgspec.structs.replace(rule, conditions=tuple(conditions))
