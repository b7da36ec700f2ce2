"""Evaluation of push rules: conditions, precedence, and the predefined rules for everyone at once."""

import math
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.globs import match_whole, match_words
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.push.conditions import RoomContext
from oriz_matrix.protocol.push.defaults import MASTER, default_rules
from oriz_matrix.protocol.push.evaluate import (
    NOTHING,
    CompiledRules,
    Mentions,
    Outcome,
    mentions,
    notifies_by_default,
    outcomes_by_default,
)
from oriz_matrix.protocol.push.rules import UserRules, add, merge, set_actions, set_enabled
from oriz_matrix.protocol.push.shape import Kind, parse_rule
from oriz_matrix.protocol.room_versions import DEFAULT_ROOM_VERSION

ALICE = "@alice:example.org"
ROOM = RoomContext(member_count=10)
PAIR = RoomContext(member_count=2)
MODERATED = RoomContext(member_count=10, sender_level=50)


def event(content: Mapping[str, Any] | None = None, event_type: str = "m.room.message", **fields: Any) -> Event:
    pdu = {"type": event_type, "sender": "@bob:example.org", "content": content or {}, "origin_server_ts": 5, **fields}
    return Event(DEFAULT_ROOM_VERSION, EventId("$e"), RoomId("!r:example.org"), pdu)


def message(body: str, **content: Any) -> Event:
    return event({"msgtype": "m.text", "body": body, **content})


def mentioning(*user_ids: str, **content: Any) -> Event:
    return message("hello", **{"m.mentions": {"user_ids": list(user_ids)}, **content})


def alice(*rules: tuple[Kind, str, dict[str, Any]]) -> CompiledRules:
    """Alice's rules: the predefined ones and hers, the most important first."""
    changes = UserRules()
    for kind, rule_id, body in reversed(rules):
        changes = add(changes, kind, parse_rule(kind, rule_id, {"actions": ["notify"], **body}))
    return CompiledRules(merge(changes, ALICE))


def holds(condition: dict[str, Any], tested: Event, room: RoomContext = ROOM, name: str | None = None) -> bool:
    """Whether a condition holds, seen from outside: does the rule that has it decide?"""
    rules = alice((Kind.OVERRIDE, "tested", {"conditions": [condition]}))
    return rules.outcome(tested, room, name).rule_id == "tested"


def matches(key: str, pattern: Any, tested: Event) -> bool:
    return holds({"kind": "event_match", "key": key, "pattern": pattern}, tested)


def says(body: str, pattern: str) -> bool:
    return matches("content.body", pattern, message(body))


@pytest.mark.parametrize(
    ("tested", "room", "rule_id"),
    [
        (message("hello"), ROOM, ".m.rule.message"),
        (message("hello"), PAIR, ".m.rule.room_one_to_one"),
        (event({}, "m.room.encrypted"), ROOM, ".m.rule.encrypted"),
        (event({}, "m.room.encrypted"), PAIR, ".m.rule.encrypted_room_one_to_one"),
        (event({}, "m.call.invite"), PAIR, ".m.rule.call"),
        (event({"msgtype": "m.notice", "body": "x"}), PAIR, ".m.rule.suppress_notices"),
        (event({"membership": "invite"}, "m.room.member", state_key=ALICE), PAIR, ".m.rule.invite_for_me"),
        (event({"membership": "invite"}, "m.room.member", state_key="@eve:x"), PAIR, ".m.rule.member_event"),
        (event({"membership": "join"}, "m.room.member", state_key=ALICE), PAIR, ".m.rule.member_event"),
        (mentioning(ALICE), ROOM, ".m.rule.is_user_mention"),
        (mentioning("@carol:x"), ROOM, ".m.rule.message"),
        (message("@room", **{"m.mentions": {"room": True}}), MODERATED, ".m.rule.is_room_mention"),
        (message("@room", **{"m.mentions": {"room": True}}), ROOM, ".m.rule.message"),
        (message("@room", **{"m.mentions": {"room": 1}}), MODERATED, ".m.rule.message"),
        (event({"body": "gone"}, "m.room.tombstone", state_key=""), ROOM, ".m.rule.tombstone"),
        (event({"body": "gone"}, "m.room.tombstone"), ROOM, None),
        (event({}, "m.reaction"), PAIR, ".m.rule.reaction"),
        (event({}, "m.room.server_acl", state_key=""), ROOM, ".m.rule.room.server_acl"),
        (
            message("* x", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$o"}}),
            PAIR,
            ".m.rule.suppress_edits",
        ),
        (event({"topic": "x"}, "m.room.topic", state_key=""), ROOM, None),
        (event({}, "m.room.redaction"), PAIR, None),
    ],
)
def test_which_predefined_rule_decides(tested: Event, room: RoomContext, rule_id: str | None) -> None:
    assert alice().outcome(tested, room).rule_id == rule_id


def test_outcomes() -> None:
    assert alice().outcome(event({}, "m.room.topic"), ROOM) == NOTHING
    mention = alice().outcome(mentioning(ALICE), ROOM)
    assert (mention.notify, mention.highlight, mention.sound) == (True, True, "default")
    assert mention.tweaks == {"sound": "default", "highlight": True}
    assert mention.actions == ("notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"})
    plain = alice().outcome(message("x"), ROOM)
    assert (plain.notify, plain.highlight, plain.sound, plain.kind) == (True, False, None, Kind.UNDERRIDE)
    assert alice().outcome(event({}, "m.call.invite"), ROOM).sound == "ring"
    assert not alice().outcome(event({}, "m.reaction"), ROOM).notify


def outcome_of_actions(*actions: Any) -> Outcome:
    return alice((Kind.OVERRIDE, "x", {"actions": list(actions)})).outcome(message("x"), ROOM)


def test_tweaks() -> None:
    assert not outcome_of_actions("notify", {"set_tweak": "highlight", "value": False}).highlight
    assert outcome_of_actions("notify", {"set_tweak": "sound", "value": 5}).sound is None
    flash = outcome_of_actions("notify", {"set_tweak": "org.example.flash", "value": [1]})
    assert flash.tweaks == {"org.example.flash": [1]}
    silent = outcome_of_actions({"set_tweak": "highlight"})
    assert (silent.notify, silent.highlight, silent.tweaks) == (False, False, {})


def test_historical_actions_do_nothing() -> None:
    assert not outcome_of_actions("dont_notify").notify
    assert not outcome_of_actions("coalesce").notify
    assert outcome_of_actions("notify", "coalesce").notify


def test_the_kinds_are_asked_in_order_and_the_first_match_decides() -> None:
    ranks: list[tuple[Kind, str, dict[str, Any]]] = [
        (Kind.OVERRIDE, "o1", {"conditions": []}),
        (Kind.OVERRIDE, "o2", {}),
        (Kind.CONTENT, "tea", {"pattern": "tea"}),
        (Kind.CONTENT, "time", {"pattern": "time"}),
        (Kind.ROOM, "!r:example.org", {}),
        (Kind.SENDER, "@bob:example.org", {}),
        (Kind.UNDERRIDE, "u", {}),
    ]
    while ranks:
        assert alice(*ranks).outcome(message("time for tea"), ROOM).rule_id == ranks[0][1]
        ranks.pop(0)


def test_room_and_sender_rules_are_about_their_id_alone() -> None:
    rules = alice((Kind.ROOM, "!R:example.org", {}), (Kind.SENDER, "@bob*", {}))
    assert rules.outcome(message("x"), ROOM).rule_id == ".m.rule.message"


def test_the_master_rule_silences_everything() -> None:
    changes = set_enabled(UserRules(), Kind.OVERRIDE, MASTER, enabled=True)
    changes = add(changes, Kind.OVERRIDE, parse_rule(Kind.OVERRIDE, "loud", {"actions": ["notify"]}))
    assert not CompiledRules(merge(changes, ALICE)).outcome(mentioning(ALICE), PAIR).notify


def test_disabled_rules_never_match_and_changed_actions_count() -> None:
    changes = set_enabled(UserRules(), Kind.OVERRIDE, ".m.rule.is_user_mention", enabled=False)
    changes = set_actions(changes, Kind.UNDERRIDE, ".m.rule.message", ())
    for kind, rule_id in ((Kind.ROOM, "!r:example.org"), (Kind.SENDER, "@bob:example.org")):
        changes = add(changes, kind, parse_rule(kind, rule_id, {"actions": ["notify"]}))
        changes = set_enabled(changes, kind, rule_id, enabled=False)
    outcome = CompiledRules(merge(changes, ALICE)).outcome(mentioning(ALICE), ROOM)
    assert (outcome.rule_id, outcome.notify) == (".m.rule.message", False)


def test_event_match_as_in_the_specification() -> None:
    for topic in ("Lunch plans", "LUNCH"):
        assert matches("content.topic", "lunc?*", event({"topic": topic}))
    for wrong in (" lunch", "lunc", None, 5, ["lunch"]):
        assert not matches("content.topic", "lunc?*", event({"topic": wrong}))
    assert not matches("content.topic", "*", event({}))
    assert not matches("content.topic.deeper", "*", event({"topic": "lunch"}))


def test_event_match_knows_every_property() -> None:
    tested = event({"m.relates_to": {"rel_type": "m.thread"}}, state_key="S", unsigned={"x": {"y": "z"}})
    assert matches("type", "m.room.*", tested)
    assert matches("sender", "@BOB:*", tested)
    assert matches("room_id", "!r:example.org", tested)
    assert matches("event_id", "$e", tested)
    assert matches("state_key", "s", tested)
    assert matches(r"content.m\.relates_to.rel_type", "m.thread", tested)
    assert matches("unsigned.x.y", "z", tested)
    assert not matches("content", "*", tested)
    assert not matches("state_key", "*", event())
    assert not matches("nothing", "*", tested)


def test_words_in_the_body_as_in_the_specification() -> None:
    for body in ("An example event.", "exple", "An exciting triple-whammy"):
        assert says(body, "ex*ple")
    assert not says("An examples event.", "ex*ple")
    assert says("I like CAKE!", "cake")
    assert not says("cakes", "cake")
    assert says("cakes", "cake?")
    assert not says("cake_lie", "cake")
    assert says("caké", "cak")  # é is no word character of the specification
    assert says("hello\nworld", "hello*world")
    assert says("x@alice", "@alice")
    assert says("(a.c)", "a.c")
    assert not says("abc", "a.c")
    assert not matches("content.body", "x", event({"body": 5}))
    assert says("", "*")
    assert says("x\u212a", "x")  # the Kelvin sign, whose lower case is k, is no word character either


def _glob(pattern: str, text: str) -> bool:
    """The definition of a glob, as slow as it is plain."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and _glob(pattern[1:], text[1:])


def _is_boundary(text: str, place: int) -> bool:
    return place in {0, len(text)} or not (text[place - 1].isalnum() and text[place].isalnum())


PATTERNS = st.text(alphabet="ab *?.", max_size=7)
TEXTS = st.text(alphabet="ab .\n", max_size=8)


@given(PATTERNS, TEXTS)
def test_globs_match_as_defined(pattern: str, text: str) -> None:
    assert match_whole(pattern)(text) == _glob(pattern, text)


@given(PATTERNS, TEXTS)
@example("a*b", "a bb b")
@example("a*", "ba a")
def test_globs_in_words_match_as_defined(pattern: str, text: str) -> None:
    places = [place for place in range(len(text) + 1) if _is_boundary(text, place)]
    expected = any(_glob(pattern, text[start:end]) for start in places for end in places if start <= end)
    assert match_words(pattern)(text) == expected


@pytest.mark.parametrize("make", [match_whole, match_words])
@pytest.mark.parametrize("pattern", ["*a" * 200 + "b", "a*" * 200 + "b", "a*b*c", "?*" * 100 + "b", "a" * 512])
def test_no_pattern_makes_matching_slow(make: Any, pattern: str) -> None:
    matcher = make(pattern)
    for text in ("a" * 60_000, "a " * 30_000, "a!" * 30_000):
        started = time.process_time()
        matcher(text)
        assert time.process_time() - started < 1


@pytest.mark.parametrize("value", ["x", "", 1, 0, -(2**53) + 1, True, False, None])
def test_property_is_compares_exactly(value: Any) -> None:
    others: list[Any] = ["x", "", "1", 1, 0, 1.0, True, False, None, [], {}, [1], 2**53]
    for other in others:
        same = type(other) is type(value) and other == value
        assert holds({"kind": "event_property_is", "key": "content.p", "value": value}, event({"p": other})) == same
        contains = {"kind": "event_property_contains", "key": "content.p", "value": value}
        assert holds(contains, event({"p": [{}, other]})) == same
        assert not holds(contains, event({"p": other})) or other == [value]
    assert not holds({"kind": "event_property_is", "key": "content.p", "value": value}, event({}))


def test_property_is_with_an_escaped_key() -> None:
    condition = {"kind": "event_property_is", "key": r"content.m\.federate", "value": True}
    assert holds(condition, event({"m.federate": True}, "m.room.create"))
    assert not holds(condition, event({"m.federate": "true"}, "m.room.create"))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("2", {2}),
        ("==2", {2}),
        ("<2", {1}),
        ("<=2", {1, 2}),
        (">2", {3}),
        (">=2", {2, 3}),
        ("=2", set()),
        ("!=2", set()),
        ("-2", set()),
        ("two", set()),
        ("2.0", set()),
        ("٢", set()),
        ("9" * 5000, set()),
        ("", set()),
        (2, set()),
    ],
)
def test_member_counts(text: Any, counts: set[int]) -> None:
    condition = {"kind": "room_member_count", "is": text}
    assert {n for n in (1, 2, 3) if holds(condition, message("x"), RoomContext(member_count=n))} == counts


def test_the_sender_needs_the_level_of_the_notification() -> None:
    def may(key: str, level: float, levels: dict[str, int]) -> bool:
        room = RoomContext(member_count=3, sender_level=level, notification_level=lambda key: levels.get(key, 50))
        return holds({"kind": "sender_notification_permission", "key": key}, message("x"), room)

    assert not may("room", 49, {})
    assert may("room", 50, {})
    assert may("room", 0, {"room": 0})
    assert not may("room", 50, {"room": 51})
    assert may("room", math.inf, {"room": 2**53 - 1})
    assert not may("org.example.all", 49, {"room": 0})


def test_display_names() -> None:
    condition = {"kind": "contains_display_name"}
    assert holds(condition, message("hello Al (x)!"), name="al (X)")
    assert not holds(condition, message("hello Alice"), name="Al")
    assert not holds(condition, message("hello ABC"), name="A*C")
    assert not holds(condition, message("hello"), name="")
    assert not holds(condition, message("hello"), name=None)
    assert not holds(condition, event({"body": 5}), name="Al")


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "org.example.moon_phase"},
        {"kind": "device"},
        {"kind": "event_match"},
        {"kind": "event_match", "key": "type"},
        {"kind": "event_match", "key": 5, "pattern": "*"},
        {"kind": "event_match", "key": "type", "pattern": None},
        {"kind": "event_property_is", "key": "content.absent"},
        {"kind": "event_property_is", "key": 5, "value": 5},
        {"kind": "event_property_is", "key": "content.big", "value": 2**53},
        {"kind": "event_property_is", "key": "content.list", "value": [1]},
        {"kind": "event_property_contains", "key": "content.list", "value": 1.5},
        {"kind": "event_property_contains", "key": None, "value": 1},
        {"kind": "room_member_count"},
        {"kind": "sender_notification_permission"},
    ],
)
def test_unknown_and_broken_conditions_match_nothing(condition: dict[str, Any]) -> None:
    assert not holds(condition, event({"body": "x", "big": 2**53, "list": [1, 1.5]}), MODERATED, "x")


def test_all_conditions_must_hold() -> None:
    beer = [
        {"kind": "event_match", "key": "content.body", "pattern": "beer"},
        {"kind": "room_member_count", "is": "<=10"},
    ]
    rules = alice((Kind.OVERRIDE, "beer", {"conditions": beer}))
    assert rules.outcome(message("Beer?"), ROOM).rule_id == "beer"
    assert rules.outcome(message("Beer?"), RoomContext(member_count=11)).rule_id == ".m.rule.message"
    assert rules.outcome(message("Tea?"), ROOM).rule_id == ".m.rule.message"


def test_mentions() -> None:
    both = message("x", **{"m.mentions": {"user_ids": [ALICE, 5, ALICE, "@b:x"], "room": True}})
    assert mentions(both, MODERATED) == Mentions(frozenset({ALICE, "@b:x"}), room=True)
    assert not mentions(both, ROOM).room
    malformed: list[Any] = [None, [], {"user_ids": ALICE, "room": "true"}, {}]
    for broken in malformed:
        assert mentions(message("x", **{"m.mentions": broken}), MODERATED) == Mentions(frozenset(), room=False)


CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "msgtype": st.sampled_from(["m.text", "m.notice", 5]),
        "body": st.sampled_from(["hello", None]),
        "membership": st.sampled_from(["invite", "join"]),
        "m.mentions": st.fixed_dictionaries(
            {},
            optional={"user_ids": st.lists(st.sampled_from([ALICE, "@b:x", 5])), "room": st.sampled_from([True, 1])},
        ),
        "m.relates_to": st.fixed_dictionaries({"rel_type": st.sampled_from(["m.replace", "m.thread"])}),
    },
)
EVENT_TYPES = st.sampled_from(
    ["m.room.message", "m.room.encrypted", "m.room.member", "m.reaction", "m.room.tombstone", "m.call.invite", "x"]
)


@pytest.mark.soak
@given(CONTENTS, EVENT_TYPES, st.sampled_from([None, "", ALICE, "@b:x"]), st.integers(1, 3), st.sampled_from([0, 50]))
def test_what_everyone_is_told_is_what_each_ones_rules_say(
    content: dict[str, Any], event_type: str, state_key: str | None, members: int, level: int
) -> None:
    tested = event(content, event_type, **({} if state_key is None else {"state_key": state_key}))
    room = RoomContext(member_count=members, sender_level=level)
    outcomes = outcomes_by_default(tested, room)
    for user in (ALICE, "@b:x", "@c:x"):
        expected = CompiledRules(default_rules(user)).outcome(tested, room)
        assert outcomes.personal.get(user, outcomes.everyone) == expected
    assert notifies_by_default(tested, room) == outcomes.everyone.notify


def test_trap_38_edits_reactions_and_redactions_do_not_count() -> None:
    replacing = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$o"}}
    assert not notifies_by_default(message("* x", **replacing), PAIR)
    assert not notifies_by_default(event({}, "m.reaction"), PAIR)
    assert not notifies_by_default(event({}, "m.room.redaction"), PAIR)
    assert notifies_by_default(message("x"), PAIR)
    added = outcomes_by_default(mentioning(ALICE, **replacing), ROOM)
    assert (added.everyone.notify, added.personal[ALICE].highlight) == (False, True)


def test_trap_53_an_invite_is_told_to_the_invited_and_a_name_change_to_nobody() -> None:
    invite = event({"membership": "invite"}, "m.room.member", state_key=ALICE)
    outcomes = outcomes_by_default(invite, PAIR)
    assert not outcomes.everyone.notify
    assert outcomes.personal[ALICE].rule_id == ".m.rule.invite_for_me"
    renamed = event({"membership": "join", "displayname": "Al"}, "m.room.member", state_key=ALICE)
    assert outcomes_by_default(renamed, PAIR).personal == {}
    assert not notifies_by_default(renamed, PAIR)


def test_a_notice_mentions_nobody() -> None:
    assert outcomes_by_default(mentioning(ALICE, msgtype="m.notice"), ROOM).personal == {}
