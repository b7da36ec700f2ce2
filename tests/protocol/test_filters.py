"""Filters: parsing, predicates, projection."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.errors import BadJson, InvalidParam
from oriz_matrix.protocol.filters import (
    DEFAULT_LIMIT,
    EVERYTHING,
    MAX_LIMIT,
    NO_FILTER,
    EventFilter,
    Filter,
    RoomEventFilter,
    is_inline,
    parse_filter,
    parse_inline_filter,
    parse_room_event_filter,
    to_json,
)
from oriz_matrix.protocol.globs import match_type
from oriz_matrix.protocol.paths import split_path

SPEC_EXAMPLE: dict[str, Any] = {
    "room": {
        "state": {"types": ["m.room.*"], "not_rooms": ["!726s6s6q:example.com"]},
        "timeline": {
            "limit": 10,
            "types": ["m.room.message"],
            "not_rooms": ["!726s6s6q:example.com"],
            "not_senders": ["@spam:example.com"],
        },
        "ephemeral": {
            "types": ["m.receipt", "m.typing"],
            "not_rooms": ["!726s6s6q:example.com"],
            "not_senders": ["@spam:example.com"],
        },
    },
    "presence": {"types": ["m.presence"], "not_senders": ["@alice:example.com"]},
    "event_format": "federation",
    "event_fields": ["type", "content", "sender"],
}


def test_the_example_of_the_specification() -> None:
    parsed = parse_filter(SPEC_EXAMPLE)
    timeline = parsed.room.timeline
    assert timeline.allows_event("!r:a", "m.room.message", "@bob:a", {})
    assert not timeline.allows_event("!r:a", "m.room.topic", "@bob:a", {})
    assert not timeline.allows_event("!726s6s6q:example.com", "m.room.message", "@bob:a", {})
    assert not timeline.allows_event("!r:a", "m.room.message", "@spam:example.com", {})
    assert parsed.room.state.allows_type("m.room.topic")
    assert not parsed.room.state.allows_type("m.space.child")
    assert parsed.room.ephemeral.allows_event("!r:a", "m.typing", None, {})
    assert parsed.presence.allows("m.presence", "@bob:a")
    assert not parsed.presence.allows("m.presence", "@alice:example.com")
    assert parsed.account_data.allows("m.direct", None)
    assert parsed.event_format == "federation"


def test_the_example_comes_back_as_it_was() -> None:
    assert to_json(parse_filter(SPEC_EXAMPLE)) == SPEC_EXAMPLE
    assert parse_filter(to_json(NO_FILTER)) == NO_FILTER
    assert to_json(NO_FILTER) == {}


IDS = st.lists(st.sampled_from(["@a:x", "@b:x", "@c:x"]), max_size=2)
ROOMS = st.lists(st.sampled_from(["!a:x", "!b:x"]), max_size=2)
TYPES = st.lists(st.sampled_from(["m.a", "m.b", "m.*", "*", "*.a"]), max_size=2)
ROOM_EVENT_FILTERS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "limit": st.integers(0, 2000),
        "types": TYPES,
        "not_types": TYPES,
        "senders": IDS,
        "not_senders": IDS,
        "rooms": ROOMS,
        "not_rooms": ROOMS,
        "contains_url": st.booleans(),
        "lazy_load_members": st.booleans(),
        "include_redundant_members": st.booleans(),
        "unread_thread_notifications": st.booleans(),
        "related_by_senders": IDS,
        "related_by_rel_types": TYPES,
    },
)


@given(ROOM_EVENT_FILTERS, ROOM_EVENT_FILTERS)
def test_parsed_filters_survive_the_way_through_json(timeline: dict[str, Any], state: dict[str, Any]) -> None:
    parsed = parse_filter({"room": {"timeline": timeline, "state": state}})
    assert parse_filter(to_json(parsed)) == parsed


@given(
    ROOM_EVENT_FILTERS,
    st.sampled_from(["!a:x", "!c:x"]),
    st.sampled_from(["m.a", "m.b", "n.a", "x"]),
    st.sampled_from(["@a:x", "@z:x", None]),
    st.sampled_from([{}, {"url": "mxc://x/y"}]),
)
def test_an_event_passes_as_the_specification_says(
    wanted: dict[str, Any], room: str, event_type: str, sender: str | None, content: dict[str, Any]
) -> None:
    def hit(name: str, value: str | None) -> bool:
        return value in wanted.get(name, ())

    def typed(name: str) -> bool:
        fits = {"*": True, "m.*": event_type.startswith("m."), "*.a": event_type.endswith(".a")}
        return any(fits.get(pattern, pattern == event_type) for pattern in wanted.get(name, ()))

    expected = (
        ("types" not in wanted or typed("types"))
        and not typed("not_types")
        and ("senders" not in wanted or hit("senders", sender))
        and not hit("not_senders", sender)
        and ("rooms" not in wanted or hit("rooms", room))
        and not hit("not_rooms", room)
        and ("contains_url" not in wanted or wanted["contains_url"] == bool(content))
    )
    parsed = parse_filter({"room": {"timeline": wanted}}).room.timeline
    assert parsed.allows_event(room, event_type, sender, content) == expected
    if parsed.allows_none:
        assert not expected or parsed.count() == 0


def test_the_fast_paths() -> None:
    assert EVERYTHING.allows_all
    assert EventFilter().allows_all
    assert RoomEventFilter(limit=5, lazy_load_members=True).allows_all
    assert not RoomEventFilter(not_rooms=("!a",)).allows_all
    assert not RoomEventFilter(contains_url=False).allows_all
    assert not EventFilter(not_types=("m.a",)).allows_all
    assert RoomEventFilter(types=()).allows_none
    assert not EVERYTHING.allows_none
    assert NO_FILTER.project({"a": 1}) == {"a": 1}


def test_limits() -> None:
    assert EVERYTHING.count() == DEFAULT_LIMIT == 10
    assert EVERYTHING.count(50) == 50
    assert RoomEventFilter(limit=3).count() == 3
    assert RoomEventFilter(limit=10**18).count() == MAX_LIMIT
    assert RoomEventFilter(limit=0).count() == 0
    assert RoomEventFilter(limit=0).allows_none
    with pytest.raises(BadJson, match=r"\$\.room\.timeline\.limit"):
        parse_filter({"room": {"timeline": {"limit": -1}}})


def test_unknown_members_are_ignored() -> None:
    assert parse_filter({"org.example": 1, "room": {"x": [], "timeline": {"org.matrix.labels": ["#a"]}}}) == NO_FILTER


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        "text",
        {"event_format": "yaml"},
        {"event_fields": "type"},
        {"presence": "not_an_object"},
        {"room": {"timeline": "not_an_object"}},
        {"room": {"timeline": {"rooms": "not_a_list"}}},
        {"room": {"timeline": {"types": [0]}}},
        {"room": {"timeline": {"rooms": ["not_a_room_id"]}}},
        {"room": {"timeline": {"senders": ["not_a_sender_id"]}}},
        {"room": {"timeline": {"limit": "10"}}},
        {"room": {"timeline": {"limit": True}}},
        {"room": {"state": {"lazy_load_members": "true"}}},
        {"room": {"state": {"lazy_load_members": 1}}},
        {"room": {"include_leave": "yes"}},
    ],
)
def test_wrong_types_are_bad_json(wrong: Any) -> None:
    with pytest.raises(BadJson, match="filter: "):
        parse_filter(wrong)


def test_trap_48_rooms_are_filtered_whatever_the_membership() -> None:
    room = parse_filter({"room": {"rooms": ["!a:x", "!b:x"], "not_rooms": ["!b:x"]}}).room
    assert room.allows_room("!a:x")
    assert not room.allows_room("!b:x")
    assert not room.allows_room("!c:x")
    assert not room.include_leave


def test_filters_in_the_query() -> None:
    assert is_inline('{"room": {}}')
    assert not is_inline("1")
    assert parse_inline_filter('{"room": {"include_leave": true}}').room.include_leave
    assert parse_room_event_filter('{"contains_url":true}').contains_url is True
    assert parse_room_event_filter(None) is EVERYTHING
    for wrong in ("{", "{}x", '{"room": 1}', '{"\ud800": 1}'):
        with pytest.raises(InvalidParam, match="filter: "):
            parse_inline_filter(wrong)
    with pytest.raises(InvalidParam, match="filter: "):
        parse_room_event_filter("nonsense")


EVENT = {
    "type": "m.room.message",
    "content": {"body": "hello", "msgtype": "m.text", "m.relates_to": {"rel_type": "m.thread"}, "m\\foo": 1},
    "sender": "@a:x",
    "unsigned": None,
}


@pytest.mark.parametrize(
    ("fields", "projected"),
    [
        (["content.body"], {"content": {"body": "hello"}}),
        (["type", "sender"], {"type": "m.room.message", "sender": "@a:x"}),
        ([r"content.m\.relates_to"], {"content": {"m.relates_to": {"rel_type": "m.thread"}}}),
        ([r"content.m\.relates_to.rel_type"], {"content": {"m.relates_to": {"rel_type": "m.thread"}}}),
        ([r"content.m\\foo"], {"content": {"m\\foo": 1}}),
        (["content.body", "content.msgtype"], {"content": {"body": "hello", "msgtype": "m.text"}}),
        (["content.body", "content"], {"content": EVENT["content"]}),
        (["content.m.relates_to", "type.x", "absent", ""], {}),
        (["unsigned", "unsigned.age"], {"unsigned": None}),
        ([], {}),
    ],
)
def test_event_fields(fields: list[str], projected: dict[str, Any]) -> None:
    untouched = str(EVENT)
    assert Filter(event_fields=tuple(fields)).project(EVENT) == projected
    assert str(EVENT) == untouched


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("content.body", ("content", "body")),
        (r"content.m\.relates_to", ("content", "m.relates_to")),
        (r"content.m\\foo", ("content", r"m\foo")),
        (r"a\xb", (r"a\xb",)),
        ("a\\", ("a\\",)),
        (r"a\\.b", ("a\\", "b")),
        ("", ("",)),
        ("a..b", ("a", "", "b")),
    ],
)
def test_property_paths(text: str, path: tuple[str, ...]) -> None:
    assert split_path(text) == path


@given(st.lists(st.text(alphabet="a.\\x"), min_size=1))
def test_escaped_names_split_back(names: list[str]) -> None:
    escaped = ".".join(name.replace("\\", r"\\").replace(".", r"\.") for name in names)
    assert split_path(escaped) == tuple(names)


def test_types_with_wildcards_count_case_and_know_no_question_mark() -> None:
    assert match_type("m.room.*")("m.room.message")
    assert not match_type("m.room.*")("M.room.message")
    assert not match_type("m.*e")("m.room.topics")
    assert match_type("*a*b*")("xaxbx")
    assert not match_type("m?*")("mx")
