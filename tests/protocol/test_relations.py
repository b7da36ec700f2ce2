"""Relations: parsing, threads, edits, bundling."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.relations import (
    Relation,
    bundled_types,
    is_valid_edit,
    latest_edit,
    may_root_thread,
    relation,
    reply_target,
    thread_root,
)
from oriz_matrix.protocol.room_versions import DEFAULT_ROOM_VERSION

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def related(rel_type: str, event_id: str, **more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more}}


def event(event_id: str, content: Mapping[str, Any], *, room: str = "!r", ts: int = 1, **fields: Any) -> Event:
    pdu = {"type": "m.room.message", "sender": "@alice:a", "content": content, "origin_server_ts": ts, **fields}
    return Event(DEFAULT_ROOM_VERSION, EventId(event_id), RoomId(room), pdu)


def edit(event_id: str, *, of: str = "$original", **more: Any) -> Event:
    return event(event_id, {"m.new_content": {"body": "new"}, **related("m.replace", of)}, **more)


def test_a_relation_with_all_its_parts() -> None:
    assert relation(related("m.annotation", "$e", key="👍")) == Relation("m.annotation", EventId("$e"), key="👍")
    threaded = {"m.in_reply_to": {"event_id": "$target"}, "is_falling_back": True}
    assert relation(related("m.thread", "$root", **threaded)) == Relation(
        "m.thread", EventId("$root"), is_falling_back=True
    )
    assert reply_target(related("m.thread", "$root", **threaded)) == "$target"


def test_a_plain_reply_is_no_typed_relation() -> None:
    content = {"m.relates_to": {"m.in_reply_to": {"event_id": "$another_event"}}}
    assert relation(content) is None
    assert reply_target(content) == "$another_event"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"m.relates_to": None},
        {"m.relates_to": []},
        {"m.relates_to": {"event_id": "$e"}},
        {"m.relates_to": {"rel_type": "m.thread"}},
        related("", "$e"),
        related("x" * 256, "$e"),
        related("m.thread", "no sigil"),
        related("m.thread", "$" + "é" * 128),
        {"m.relates_to": {"rel_type": 1, "event_id": "$e"}},
        {"m.relates_to": {"rel_type": "m.thread", "event_id": ["$e"]}},
    ],
)
def test_malformed_relations_are_ignored(content: Mapping[str, Any]) -> None:
    assert relation(content) is None
    assert reply_target(content) is None


def test_a_malformed_key_or_flag_does_not_spoil_the_relation() -> None:
    assert relation(related("m.annotation", "$e", key=1, is_falling_back="yes")) == Relation(
        "m.annotation", EventId("$e")
    )


@given(st.dictionaries(st.sampled_from(["rel_type", "event_id", "key", "m.in_reply_to"]), JSON))
def test_no_content_breaks_the_parser(relates_to: dict[str, Any]) -> None:
    relation({"m.relates_to": relates_to})
    reply_target({"m.relates_to": relates_to})


def test_an_event_with_a_relation_roots_no_thread_but_a_reply_does() -> None:
    assert may_root_thread({"body": "hello"})
    assert may_root_thread({"m.relates_to": {"m.in_reply_to": {"event_id": "$e"}}})
    assert not may_root_thread(related("m.thread", "$e"))
    assert not may_root_thread(related("m.replace", "$e"))


ROOM: dict[str, Mapping[str, Any]] = {
    "$root": {"body": "root"},
    "$threaded": related("m.thread", "$root"),
    "$one": related("m.annotation", "$threaded"),
    "$two": related("m.annotation", "$one"),
    "$three": related("m.annotation", "$two"),
    "$four": related("m.annotation", "$three"),
    "$on_root": related("m.annotation", "$root"),
    "$loop": related("m.reference", "$loop"),
    "$lost": related("m.reference", "$unknown"),
    "$reply": {"m.relates_to": {"m.in_reply_to": {"event_id": "$threaded"}}},
}


@pytest.mark.parametrize(
    ("event_id", "root"),
    [
        ("$root", None),
        ("$threaded", "$root"),
        ("$one", "$root"),
        ("$three", "$root"),
        ("$four", None),
        ("$on_root", None),
        ("$loop", None),
        ("$lost", None),
        ("$reply", None),
    ],
)
def test_trap_38_a_thread_is_found_over_at_most_three_hops(event_id: str, root: str | None) -> None:
    assert thread_root(ROOM[event_id], ROOM.get) == root


def test_trap_38_at_most_three_events_are_looked_up() -> None:
    asked: list[str] = []

    def look_up(event_id: EventId) -> Mapping[str, Any]:
        asked.append(event_id)
        return related("m.reference", "$next")

    assert thread_root(related("m.reference", "$next"), look_up) is None
    assert len(asked) == 3


def test_what_is_bundled() -> None:
    message = event("$e", {})
    assert bundled_types(message) == ("m.reference", "m.replace", "m.thread")
    assert bundled_types(message, redacted=True) == ("m.reference", "m.thread")
    assert bundled_types(event("$e", {}, state_key="")) == ()


ORIGINAL = event("$original", {"body": "old"})


def test_a_valid_edit() -> None:
    assert is_valid_edit(edit("$edit"), ORIGINAL)


def test_an_encrypted_edit_needs_no_visible_new_content() -> None:
    original = event("$original", {"ciphertext": "x"}, type="m.room.encrypted")
    assert is_valid_edit(event("$e", related("m.replace", "$original"), type="m.room.encrypted"), original)


@pytest.mark.parametrize(
    ("replacement", "original"),
    [
        (event("$edit", {"m.new_content": {}}), ORIGINAL),
        (event("$edit", {"m.new_content": {}, **related("m.thread", "$original")}), ORIGINAL),
        (edit("$edit", of="$other"), ORIGINAL),
        (edit("$edit", room="!other"), ORIGINAL),
        (edit("$edit", sender="@bob:a"), ORIGINAL),
        (edit("$edit", type="m.sticker"), ORIGINAL),
        (edit("$edit", state_key=""), ORIGINAL),
        (edit("$edit"), event("$original", {}, state_key="")),
        (edit("$edit"), edit("$original", of="$older")),
        (event("$edit", related("m.replace", "$original")), ORIGINAL),
        (event("$edit", {"m.new_content": "x", **related("m.replace", "$original")}), ORIGINAL),
    ],
    ids=[
        "unrelated",
        "thread",
        "target",
        "room",
        "sender",
        "type",
        "state",
        "original-state",
        "edit-of-edit",
        "no-content",
        "bad-content",
    ],
)
def test_invalid_edits(replacement: Event, original: Event) -> None:
    assert not is_valid_edit(replacement, original)


def test_an_edit_of_a_threaded_message_is_valid() -> None:
    assert is_valid_edit(edit("$edit"), event("$original", related("m.thread", "$root")))


def test_the_latest_edit_is_decided_by_time_then_id() -> None:
    edits = [edit("$b", ts=5), edit("$a", ts=5), edit("$z", ts=4), edit("$late", ts=9, sender="@mallory:a")]
    newest = latest_edit(ORIGINAL, edits)
    assert newest is not None
    assert newest.event_id == "$b"


def test_trap_45_without_a_visible_edit_there_is_none() -> None:
    assert latest_edit(ORIGINAL, []) is None
