"""Push rules: the predefined ones, and the operations that change a user's rules."""

import csv
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.errors import BadJson, BadRequest, InvalidParam, MatrixError, MissingParam, NotFound
from oriz_matrix.protocol.push.defaults import MASTER, RuleSet, default_rules
from oriz_matrix.protocol.push.deviation import Deviation, deviation
from oriz_matrix.protocol.push.rules import (
    UserRules,
    add,
    carry_over,
    find,
    merge,
    remove,
    set_actions,
    set_enabled,
    to_json,
)
from oriz_matrix.protocol.push.shape import Kind, parse_actions, parse_kind, parse_rule

ALICE = "@alice:example.org"
TABLE = Path(__file__).parent / "push-rules.tsv"  # the predefined rules of v1.19, read from the specification
NOTHING = UserRules()


def put(
    rules: UserRules, kind: Kind, rule_id: str, /, before: str | None = None, after: str | None = None, **body: Any
) -> UserRules:
    """PUT a rule; its actions are `notify` unless said otherwise."""
    return add(rules, kind, parse_rule(kind, rule_id, {"actions": ["notify"], **body}), before, after)


def ids(rules: UserRules, kind: Kind) -> list[str]:
    return [rule.rule_id for rule in merge(rules, ALICE)[kind] if not rule.default]


def room_match(room_id: str) -> dict[str, str]:
    return {"kind": "event_match", "key": "room_id", "pattern": room_id}


def test_the_predefined_rules_are_those_of_the_specification() -> None:
    expected: dict[str, list[dict[str, Any]]] = {kind.value: [] for kind in Kind}
    with TABLE.open() as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            rule = {
                "rule_id": row["rule_id"],
                "default": True,
                "enabled": row["enabled"] == "true",
                "actions": json.loads(row["actions"]),
                "conditions": json.loads(row["conditions"].replace("[the user's Matrix ID]", ALICE)),
            }
            expected[row["kind"]].append(rule)
    assert sum(map(len, expected.values())) == 15
    assert to_json(merge(NOTHING, ALICE)) == {"global": expected}
    assert merge(NOTHING, ALICE) == default_rules(ALICE)


def test_the_kinds_stand_in_the_order_in_which_they_are_asked() -> None:
    assert list(to_json(merge(NOTHING, ALICE))["global"]) == ["override", "content", "room", "sender", "underride"]


def test_own_rules_stand_between_the_master_rule_and_the_predefined() -> None:
    rules = put(NOTHING, Kind.OVERRIDE, "mine")
    assert [rule.rule_id for rule in merge(rules, ALICE)[Kind.OVERRIDE]][:3] == [
        MASTER,
        "mine",
        ".m.rule.suppress_notices",
    ]
    assert merge(put(rules, Kind.UNDERRIDE, "low"), ALICE)[Kind.UNDERRIDE][0].rule_id == "low"


def test_the_json_of_own_rules() -> None:
    rules = put(NOTHING, Kind.CONTENT, "nocake", pattern="cake*lie", actions=[])
    rules = put(rules, Kind.ROOM, "!r:x")
    shown = to_json(merge(rules, ALICE))["global"]
    assert shown["content"] == [
        {"rule_id": "nocake", "default": False, "enabled": True, "actions": [], "pattern": "cake*lie"}
    ]
    assert shown["room"] == [{"rule_id": "!r:x", "default": False, "enabled": True, "actions": ["notify"]}]


def test_new_rules_come_first() -> None:
    rules = put(put(NOTHING, Kind.ROOM, "a"), Kind.ROOM, "b")
    assert ids(rules, Kind.ROOM) == ["b", "a"]


def test_before_and_after() -> None:
    rules = put(put(NOTHING, Kind.ROOM, "a"), Kind.ROOM, "b")
    assert ids(put(rules, Kind.ROOM, "c", before="a"), Kind.ROOM) == ["b", "c", "a"]
    assert ids(put(rules, Kind.ROOM, "c", after="b"), Kind.ROOM) == ["b", "c", "a"]
    assert ids(put(rules, Kind.ROOM, "c", after="a"), Kind.ROOM) == ["b", "a", "c"]
    assert ids(put(rules, Kind.ROOM, "c", before="b", after="a"), Kind.ROOM) == ["c", "b", "a"]
    assert ids(put(rules, Kind.ROOM, "b", after="a"), Kind.ROOM) == ["a", "b"]


def test_a_place_beside_an_unknown_or_predefined_rule_is_refused() -> None:
    with pytest.raises(BadRequest, match="before/after rule not found: someRuleId") as refused:
        put(NOTHING, Kind.ROOM, "a", before="someRuleId")
    assert (refused.value.status, refused.value.errcode) == (400, "M_UNKNOWN")
    with pytest.raises(InvalidParam):
        put(NOTHING, Kind.OVERRIDE, "a", after=MASTER)
    with pytest.raises(BadRequest):
        put(put(NOTHING, Kind.ROOM, "a"), Kind.ROOM, "a", before="a")


def test_changing_a_rule_keeps_its_place_and_whether_it_is_enabled() -> None:
    rules = put(put(NOTHING, Kind.CONTENT, "a", pattern="x"), Kind.CONTENT, "b", pattern="y")
    rules = set_enabled(rules, Kind.CONTENT, "a", enabled=False)
    rules = put(rules, Kind.CONTENT, "a", pattern="z")
    assert ids(rules, Kind.CONTENT) == ["b", "a"]
    changed = find(merge(rules, ALICE), Kind.CONTENT, "a")
    assert (changed.pattern, changed.enabled) == ("z", False)


def test_adding_the_same_rule_twice_changes_nothing() -> None:
    once = put(put(NOTHING, Kind.ROOM, "a"), Kind.ROOM, "b")
    assert put(once, Kind.ROOM, "a") == once


def test_rules_of_different_kinds_may_share_an_id() -> None:
    rules = put(put(NOTHING, Kind.OVERRIDE, "!r:x", conditions=[room_match("!r:x")]), Kind.ROOM, "!r:x")
    rules = remove(rules, Kind.OVERRIDE, "!r:x")
    assert ids(rules, Kind.OVERRIDE) == []
    assert ids(rules, Kind.ROOM) == ["!r:x"]


def test_removing_what_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        remove(NOTHING, Kind.ROOM, "a")
    with pytest.raises(NotFound):
        remove(NOTHING, Kind.UNDERRIDE, MASTER)
    with pytest.raises(InvalidParam):
        remove(NOTHING, Kind.OVERRIDE, MASTER)


def test_predefined_rules_can_be_switched_and_their_actions_set() -> None:
    rules = set_enabled(NOTHING, Kind.OVERRIDE, MASTER, enabled=True)
    rules = set_actions(rules, Kind.UNDERRIDE, ".m.rule.message", parse_actions(["dont_notify"]))
    merged = merge(rules, ALICE)
    assert find(merged, Kind.OVERRIDE, MASTER).enabled
    message = find(merged, Kind.UNDERRIDE, ".m.rule.message")
    assert (message.to_json()["actions"], message.default, message.notifies) == (["dont_notify"], True, False)
    assert merge(rules, ALICE)[Kind.OVERRIDE][0].rule_id == MASTER


def test_changing_a_predefined_rule_back_leaves_no_trace() -> None:
    rules = set_enabled(NOTHING, Kind.UNDERRIDE, ".m.rule.call", enabled=False)
    rules = set_actions(rules, Kind.UNDERRIDE, ".m.rule.call", ())
    rules = set_enabled(rules, Kind.UNDERRIDE, ".m.rule.call", enabled=True)
    ring = default_rules(ALICE)[Kind.UNDERRIDE][0].actions
    assert set_actions(rules, Kind.UNDERRIDE, ".m.rule.call", ring) == NOTHING


def test_own_rules_can_be_switched_and_their_actions_set() -> None:
    rules = set_enabled(put(NOTHING, Kind.SENDER, "@bob:x"), Kind.SENDER, "@bob:x", enabled=False)
    rules = set_actions(rules, Kind.SENDER, "@bob:x", ())
    bob = find(merge(rules, ALICE), Kind.SENDER, "@bob:x")
    assert (bob.enabled, bob.actions) == (False, ())


def test_unknown_rules_are_not_found() -> None:
    for kind, rule_id in ((Kind.OVERRIDE, ".not.a.rule"), (Kind.ROOM, MASTER), (Kind.SENDER, "@bob:x")):
        with pytest.raises(NotFound):
            find(merge(NOTHING, ALICE), kind, rule_id)
        with pytest.raises(NotFound):
            set_enabled(NOTHING, kind, rule_id, enabled=True)
        with pytest.raises(NotFound):
            set_actions(NOTHING, kind, rule_id, ())


def test_the_body_rules_that_left_the_specification_are_gone() -> None:
    for kind, name in (
        (Kind.OVERRIDE, "contains_display_name"),
        (Kind.OVERRIDE, "roomnotif"),
        (Kind.CONTENT, "contains_user_name"),
    ):
        with pytest.raises(NotFound):
            find(merge(NOTHING, ALICE), kind, f".m.rule.{name}")


def test_the_change_of_a_rule_that_is_no_longer_predefined_has_no_effect() -> None:
    stored = msgspec.json.decode(b'{"defaults": {".m.rule.roomnotif": {"enabled": false}}}', type=UserRules)
    assert merge(stored, ALICE) == default_rules(ALICE)


@pytest.mark.parametrize(
    ("kind", "rule_id", "body", "error"),
    [
        (Kind.ROOM, "!r:x", {}, MissingParam),
        (Kind.OVERRIDE, "a", {"conditions": []}, MissingParam),
        (Kind.ROOM, "", {"actions": []}, InvalidParam),
        (Kind.ROOM, ".a", {"actions": []}, InvalidParam),
        (Kind.ROOM, "a/b", {"actions": []}, InvalidParam),
        (Kind.ROOM, "!" + "a" * 512, {"actions": []}, InvalidParam),
        (Kind.ROOM, "a\\b", {"actions": []}, InvalidParam),
        (Kind.ROOM, "a", {"actions": "notify"}, BadJson),
        (Kind.ROOM, "a", {"actions": ["not_an_action"]}, InvalidParam),
        (Kind.ROOM, "a", {"actions": [{"sound": "x"}]}, InvalidParam),
        (Kind.ROOM, "a", {"actions": [{"set_tweak": 1}]}, InvalidParam),
        (Kind.ROOM, "a", {"actions": [None]}, InvalidParam),
        (Kind.CONTENT, "a", {"actions": []}, MissingParam),
        (Kind.CONTENT, "a", {"actions": [], "pattern": 5}, BadJson),
        (Kind.CONTENT, "a", {"actions": [], "pattern": "a" * 513}, InvalidParam),
        (Kind.UNDERRIDE, "a", {"actions": [], "conditions": {}}, BadJson),
        (Kind.UNDERRIDE, "a", {"actions": [], "conditions": ["x"]}, BadJson),
        (Kind.UNDERRIDE, "a", {"actions": [], "conditions": [{}]}, BadJson),
        (Kind.UNDERRIDE, "a", {"actions": [], "conditions": [{"kind": 1}]}, BadJson),
        (Kind.UNDERRIDE, "a", {"actions": [], "conditions": [{"kind": "x", "pattern": "a" * 513}]}, InvalidParam),
    ],
)
def test_wrong_rules_are_refused(kind: Kind, rule_id: str, body: dict[str, Any], error: type[MatrixError]) -> None:
    with pytest.raises(error) as refused:
        parse_rule(kind, rule_id, body)
    assert refused.value.status == 400


def test_conditions_may_be_absent_or_unknown() -> None:
    assert parse_rule(Kind.OVERRIDE, "a", {"actions": []}).conditions == ()
    unknown = [{"kind": "org.example.moon_phase", "is": "full"}]
    assert parse_rule(Kind.OVERRIDE, "a", {"actions": [], "conditions": unknown}).to_json()["conditions"] == unknown


def test_kinds_in_paths() -> None:
    assert parse_kind("sender") is Kind.SENDER
    with pytest.raises(InvalidParam, match="not_a_template"):
        parse_kind("not_a_template")


def test_the_stored_form_comes_back_equal() -> None:
    rules = put(NOTHING, Kind.OVERRIDE, "a", conditions=[room_match("!r:x")], actions=[{"set_tweak": "highlight"}])
    rules = put(rules, Kind.CONTENT, "b", pattern="x")
    rules = set_enabled(rules, Kind.OVERRIDE, MASTER, enabled=True)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=UserRules) == rules
    assert msgspec.json.encode(NOTHING) == b"{}"


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "before", "after", "remove", "enable", "disable"]),
        st.sampled_from("abcd"),
        st.sampled_from("abcd"),
    ),
    max_size=20,
)


@pytest.mark.soak
@given(OPERATIONS)
def test_any_history_of_changes_agrees_with_a_plain_list(operations: list[tuple[str, str, str]]) -> None:
    rules, model, disabled = NOTHING, list[str](), set[str]()
    for name, rule_id, other in operations:
        try:
            rules = _apply(rules, name, rule_id, other)
        except MatrixError:
            assert rule_id not in model or (name in {"before", "after"} and (other not in model or other == rule_id))
            continue
        _follow(model, disabled, name, rule_id, other)
    merged: RuleSet = merge(rules, ALICE)
    assert [rule.rule_id for rule in merged[Kind.SENDER]] == model
    assert {rule.rule_id for rule in merged[Kind.SENDER] if not rule.enabled} == disabled


def _apply(rules: UserRules, name: str, rule_id: str, other: str) -> UserRules:
    if name == "remove":
        return remove(rules, Kind.SENDER, rule_id)
    if name in {"enable", "disable"}:
        return set_enabled(rules, Kind.SENDER, rule_id, enabled=name == "enable")
    place = {} if name == "add" else {name: other}
    return put(rules, Kind.SENDER, rule_id, **place)


def _follow(model: list[str], disabled: set[str], name: str, rule_id: str, other: str) -> None:
    if name == "disable":
        disabled.add(rule_id)
    elif name in {"enable", "remove"}:
        disabled.discard(rule_id)
    if name == "remove" or (name in {"before", "after"} and rule_id in model):
        model.remove(rule_id)
    if name in {"before", "after"}:
        model.insert(model.index(other) + (name == "after"), rule_id)
    elif name == "add" and rule_id not in model:
        model.insert(0, rule_id)


def test_the_rules_of_a_room_follow_it_into_its_replacement() -> None:
    rules = put(NOTHING, Kind.ROOM, "!old", actions=[])
    rules = put(rules, Kind.ROOM, "!other")
    rules = put(rules, Kind.OVERRIDE, "!old", conditions=[room_match("!old")], actions=[])
    rules = put(rules, Kind.OVERRIDE, "quiet", conditions=[room_match("!old"), {"kind": "event_match"}], actions=[])
    rules = put(rules, Kind.OVERRIDE, "elsewhere", conditions=[room_match("!other")])
    rules = set_enabled(rules, Kind.OVERRIDE, "quiet", enabled=False)
    carried = carry_over(rules, "!old", "!new")
    assert ids(carried, Kind.ROOM) == ["!new", "!other", "!old"]
    assert ids(carried, Kind.OVERRIDE) == ["quiet !new", "!new", "elsewhere", "quiet", "!old"]
    quiet = find(merge(carried, ALICE), Kind.OVERRIDE, "quiet !new")
    assert quiet.conditions == (room_match("!new"), {"kind": "event_match"})
    assert not quiet.enabled
    assert carry_over(carried, "!old", "!new") == carried
    assert carry_over(rules, "!unheard_of", "!new") == rules


def test_muted_rooms_and_mentions_only_are_flags_and_the_rest_is_plain() -> None:
    assert deviation(NOTHING) == Deviation(frozenset(), frozenset(), plain=True)
    rules = put(NOTHING, Kind.OVERRIDE, "!a", conditions=[room_match("!a")], actions=["dont_notify"])
    rules = put(rules, Kind.ROOM, "!b", actions=[])
    rules = set_enabled(put(rules, Kind.CONTENT, "off", pattern="x"), Kind.CONTENT, "off", enabled=False)
    assert deviation(rules) == Deviation(frozenset({"!a"}), frozenset({"!b"}), plain=True)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.CONTENT, {"pattern": "x"}),
        (Kind.SENDER, {"actions": []}),
        (Kind.UNDERRIDE, {"actions": []}),
        (Kind.ROOM, {"actions": ["notify", {"set_tweak": "sound", "value": "x"}]}),
        (Kind.OVERRIDE, {"conditions": [room_match("!a")]}),
        (Kind.OVERRIDE, {"conditions": [], "actions": []}),
        (Kind.OVERRIDE, {"conditions": [room_match("!*")], "actions": []}),
        (Kind.OVERRIDE, {"conditions": [{"kind": "event_match", "key": "room_id"}], "actions": []}),
        (Kind.OVERRIDE, {"conditions": [{**room_match("!a"), "key": "sender"}], "actions": []}),
    ],
)
def test_other_rules_are_not_plain(kind: Kind, body: dict[str, Any]) -> None:
    found = deviation(put(NOTHING, kind, "rule", **body))
    assert found == Deviation(frozenset(), frozenset(), plain=False)


def test_a_changed_predefined_rule_is_not_plain() -> None:
    assert not deviation(set_enabled(NOTHING, Kind.OVERRIDE, ".m.rule.tombstone", enabled=False)).plain


def test_the_master_rule_silences_everything_unless_it_was_told_otherwise() -> None:
    rules = set_enabled(NOTHING, Kind.OVERRIDE, MASTER, enabled=True)
    assert deviation(rules).silent
    assert not deviation(set_actions(rules, Kind.OVERRIDE, MASTER, ("notify",))).silent
    assert not deviation(set_enabled(rules, Kind.OVERRIDE, MASTER, enabled=False)).silent


def test_a_room_is_not_muted_where_another_rule_comes_before() -> None:
    muted = put(NOTHING, Kind.OVERRIDE, "!a", conditions=[room_match("!a")], actions=[])
    rules = put(muted, Kind.OVERRIDE, "first", conditions=[])
    assert deviation(rules) == Deviation(frozenset(), frozenset(), plain=False)
