"""Events: their format in each room version, reading foreign ones, making new ones."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unpaddedbase64 import encode_base64

from oriz_matrix.protocol.canonical import decode_strict, encode
from oriz_matrix.protocol.errors import BadJson, MatrixError, TooLarge
from oriz_matrix.protocol.event_builder import EventBuilder, complete, countersigned
from oriz_matrix.protocol.event_format import MAX_EVENT_NESTING, check_format, key_over_byte_limit
from oriz_matrix.protocol.events import Event, event_from_pdu, redacted
from oriz_matrix.protocol.hashing import content_hash_matches, reference_hash
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId
from oriz_matrix.protocol.room_versions import (
    ROOM_VERSIONS,
    V1,
    V2,
    V3,
    V5,
    V6,
    V10,
    V11,
    V12,
    EventIdFormat,
    RoomVersion,
)
from oriz_matrix.protocol.signing import SigningKey, required_signers, verify_event_signatures

HOME = ServerName("home.org")
ALICE = UserId("@alice:home.org")
KEY = SigningKey("a", b"k" * 32)
OTHER = SigningKey("b", b"o" * 32)
versions = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
paired = {V1, V2}


def builder(version: RoomVersion, **changes: Any) -> EventBuilder:
    says: dict[str, Any] = {
        "version": version,
        "room_id": RoomId("!r:home.org"),
        "sender": ALICE,
        "type": "m.room.message",
        "content": {"body": "hello", "msgtype": "m.text"},
        "prev_event_ids": [EventId("$p:home.org")],
        "auth_event_ids": [EventId("$c:home.org"), EventId("$m:home.org")],
        "depth": 7,
        "origin_server_ts": 1_700_000_000_000,
    }
    return EventBuilder(**{**says, **changes})


def create(version: RoomVersion, **changes: Any) -> Event:
    room_id = None if version.room_id_is_create_hash else RoomId("!r:home.org")
    return builder(
        version, room_id=room_id, type="m.room.create", state_key="", content={"room_version": version.name}, depth=1,
        prev_event_ids=[], auth_event_ids=[], **changes,
    ).build(HOME, KEY)  # fmt: skip


@versions
def test_an_event_from_the_store_is_the_one_that_was_put_there(version: RoomVersion) -> None:
    for event in (builder(version).build(HOME, KEY), create(version)):
        stored = event.as_stored()
        assert stored.as_stored() is stored
        for name in ("version", "event_id", "room_id", "type", "sender", "state_key", "origin_server_ts", "encoded"):
            assert getattr(stored, name) == getattr(event, name), name
        assert decode_strict(stored.content_json) == decode_strict(event.content_json) == event.content
        assert stored.pdu == event.pdu
        assert stored.content == event.content


def pdu(version: RoomVersion, **changes: Any) -> dict[str, Any]:
    """A well-formed PDU with other values for some keys; `...` takes a key away."""
    changed: dict[str, Any] = {**builder(version).build(HOME, KEY).pdu, **changes}
    return {name: value for name, value in changed.items() if value is not ...}


@versions
def test_a_new_event_is_complete_and_reads_back_alike(version: RoomVersion) -> None:
    event = builder(version, state_key="here").build(HOME, KEY)
    assert content_hash_matches(event.pdu)
    assert required_signers(event) == {HOME}
    verify_event_signatures(event, lambda server, key_id: KEY.verify_key if key_id == "ed25519:a" else None)
    again = event_from_pdu(decode_strict(event.encoded), version)
    assert (again.event_id, again.room_id, again.encoded) == (event.event_id, event.room_id, event.encoded)
    assert ("event_id" in event.pdu) is (version in paired)
    assert event.auth_event_ids == ["$c:home.org", "$m:home.org"]
    assert event.prev_event_ids == ["$p:home.org"]
    assert (event.depth, event.origin_server_ts) == (7, 1_700_000_000_000)
    assert (event.key, event.is_state) == (("m.room.message", "here"), True)
    assert event.event_id in repr(event)
    assert event.type in repr(event)


@versions
def test_trap_24_from_version_12_on_the_create_event_makes_the_room_id(version: RoomVersion) -> None:
    event = create(version)
    again = event_from_pdu(decode_strict(event.encoded), version)
    if version.room_id_is_create_hash:
        assert "room_id" not in event.pdu
        assert event.room_id == again.room_id == "!" + event.event_id[1:]
        assert create(version).room_id == event.room_id  # same user, same content, same millisecond
        assert create(version, origin_server_ts=5).room_id != event.room_id
    else:
        assert event.room_id == again.room_id == event.pdu["room_id"] == "!r:home.org"


def test_an_event_does_not_change_with_what_it_was_made_of() -> None:
    content = {"body": "hello", "tags": ["a"]}
    event = builder(V12, room_id=create(V12).room_id, content=content).build(HOME, KEY)
    content["tags"].append("b")  # type: ignore[attr-defined]
    assert event.content == {"body": "hello", "tags": ["a"]}
    assert event.encoded == encode(event.pdu)


def test_the_canonical_bytes_are_made_when_they_are_asked_for() -> None:
    event = builder(V11).build(HOME, KEY)
    same = Event(V11, event.event_id, event.room_id, event.pdu)
    assert same.encoded == event.encoded
    assert same.encoded is same.encoded


@versions
def test_early_versions_refer_by_pairs(version: RoomVersion) -> None:
    before = create(version)
    digest = reference_hash(before.pdu, version)
    event = builder(
        version, room_id=before.room_id, prev_event_ids=[before.event_id], auth_event_ids=["$unknown:x"],
        reference_hashes={before.event_id: digest},
    ).build(HOME, KEY)  # fmt: skip
    if version in paired:
        assert event.pdu["prev_events"] == [[before.event_id, {"sha256": encode_base64(digest)}]]
        assert event.pdu["auth_events"] == [["$unknown:x", {}]]
        assert event.event_id.endswith(":home.org")
        assert builder(version, depth=8).build(HOME, KEY).event_id != builder(version).build(HOME, KEY).event_id
    else:
        assert event.pdu["prev_events"] == [before.event_id]


@versions
def test_depth_stays_at_its_limit(version: RoomVersion) -> None:
    event = builder(version, depth=2**70).build(HOME, KEY)
    assert event.depth == version.max_depth == (2**63 - 1 if int(version.name) < 6 else 2**53 - 1)


def test_trap_07_the_target_of_a_redaction_stands_in_one_place() -> None:
    target = EventId("$t:home.org")
    old = builder(V10, type="m.room.redaction", redacts=target, content={"redacts": "$wrong"}).build(HOME, KEY)
    new = builder(V11, type="m.room.redaction", redacts="$wrong", content={"redacts": target}).build(HOME, KEY)
    assert old.redacts == new.redacts == target
    assert builder(V10).build(HOME, KEY).redacts is None


@versions
def test_trap_05_the_redacted_form_has_the_same_id_and_valid_signatures(version: RoomVersion) -> None:
    event = builder(version).build(HOME, KEY)
    bare = redacted(event)
    assert bare.content == {}
    assert event_from_pdu(bare.pdu, version).event_id == event.event_id
    assert not content_hash_matches(bare.pdu)
    verify_event_signatures(bare, lambda _server, _key_id: KEY.verify_key)


def test_a_second_server_signs_beside_the_first() -> None:
    join = builder(
        V10, type="m.room.member", state_key=ALICE,
        content={"membership": "join", "join_authorised_via_users_server": "@admin:other.org"},
    ).build(HOME, KEY)  # fmt: skip
    both = countersigned(join, ServerName("other.org"), OTHER)
    assert both.event_id == join.event_id
    assert set(both.pdu["signatures"]) == {"home.org", "other.org"}
    assert set(join.pdu["signatures"]) == {"home.org"}
    keys = {"home.org": KEY.verify_key, "other.org": OTHER.verify_key}
    verify_event_signatures(both, lambda server, _key_id: keys[server])


@versions
def test_trap_27_a_foreign_template_brings_no_id_hash_or_signature_of_its_own(version: RoomVersion) -> None:
    template = builder(version).template()
    poisoned = {
        **template,
        "event_id": "$evil:x",
        "hashes": {"a": "b"},
        "signatures": {"x": {}},
        "unsigned": {"age": 1},
    }
    clean = complete(template, version, HOME, KEY)
    assert complete(poisoned, version, HOME, KEY).encoded == clean.encoded
    for broken in ({}, {**template, "content": 5}, {**template, "sender": "alice"}):
        with pytest.raises(BadJson):
            complete(broken, version, HOME, KEY)


@versions
def test_trap_09_a_foreign_unsigned_is_not_kept(version: RoomVersion) -> None:
    event = event_from_pdu(pdu(version, unsigned={"prev_content": {"membership": "ban"}}), version)
    assert "unsigned" not in event.pdu
    assert b"prev_content" not in event.encoded


REQUIRED = [
    "type",
    "sender",
    "room_id",
    "content",
    "depth",
    "origin_server_ts",
    "hashes",
    "signatures",
    "auth_events",
    "prev_events",
]
WRONG: Mapping[str, list[Any]] = {
    "type": [None, 5, ["m.room.message"], "a\0b"],
    "sender": [None, 5, "", "alice", "@alice", "@alice:", "@al\0ice:x.org", "@alice:bad host"],
    "room_id": [None, 5, "", "r:home.org", "!r\0:home.org"],
    "content": [None, [], "text"],
    "depth": [None, "7", True, 7.0, -1, 2**63],
    "origin_server_ts": [None, "7", False, 7.5, 2**63],
    "hashes": [None, [], {}, {"sha256": 5}, {"md5": "x"}],
    "signatures": [None, [], "x"],
    "state_key": [None, 5, "\0"],
    "auth_events": [None, {}, "$a", [5], [None], ["a"], [[]], [["$a"]], [["$a", "hash"]], [["a", {}]], ["$a\0"]],
    "prev_events": [None, {}, "$a", [5], [{}], [["$a", {}, {}]], [[5, {}]]],
}


@versions
@pytest.mark.parametrize("name", REQUIRED)
def test_required_keys(version: RoomVersion, name: str) -> None:
    with pytest.raises(BadJson, match=name):
        check_format(pdu(version, **{name: ...}), version)


@versions
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_types_are_malformed_and_named(version: RoomVersion, name: str, value: Any) -> None:
    with pytest.raises(BadJson, match=name):
        check_format(pdu(version, **{name: value}), version)


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_an_event_is_an_object(value: Any) -> None:
    with pytest.raises(BadJson, match="object"):
        event_from_pdu(value, V12)


@versions
def test_only_early_versions_hold_an_id(version: RoomVersion) -> None:
    for wrong in (..., None, 5, "0:x.org", "$0", "$0:", "$\0:x.org"):
        if version in paired:
            with pytest.raises(BadJson, match="event_id"):
                check_format(pdu(version, event_id=wrong), version)
        else:
            check_format(pdu(version, event_id=wrong), version)  # a key like any other, and no id
            assert event_from_pdu(pdu(version, event_id=wrong), version).event_id != wrong


@versions
def test_each_version_has_its_kind_of_references(version: RoomVersion) -> None:
    pairs, plain = [["$a", {"sha256": "x"}]], ["$a"]
    right, wrong = (pairs, plain) if version in paired else (plain, pairs)
    for name in ("auth_events", "prev_events"):
        check_format(pdu(version, **{name: right}), version)
        with pytest.raises(BadJson, match=name):
            check_format(pdu(version, **{name: wrong}), version)


@versions
@pytest.mark.parametrize(("name", "most"), [("auth_events", 10), ("prev_events", 20)])
def test_the_number_of_references_is_bounded(version: RoomVersion, name: str, most: int) -> None:
    reference = ["$a", {}] if version in paired else "$a"
    check_format(pdu(version, **{name: [reference] * most}), version)
    with pytest.raises(BadJson, match=f"{name} holds more than {most}"):
        check_format(pdu(version, **{name: [reference] * (most + 1)}), version)


def test_trap_24_only_the_create_event_lacks_a_room_id() -> None:
    founding = dict(create(V12).pdu)
    check_format(founding, V12)
    for wrong in ({"room_id": "!r"}, {"state_key": "x"}, {"type": "m.room.other"}):
        with pytest.raises(BadJson, match="room_id"):
            check_format({**founding, **wrong}, V12)
    with pytest.raises(BadJson, match="room_id"):
        check_format(founding, V11)
    check_format(pdu(V12, room_id="!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"), V12)
    with pytest.raises(BadJson, match="room_id must have a domain"):
        check_format(pdu(V11, room_id="!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"), V11)


@versions
@pytest.mark.parametrize("number", [1.5, 2**53, -(2**53), 2**70, 1e16])
def test_trap_02_only_strict_versions_refuse_floats_and_big_integers(version: RoomVersion, number: float) -> None:
    foreign = pdu(version, content={"list": [{"number": number}]})
    if version.strict_json:
        with pytest.raises(BadJson, match=r"content\.list\.0\.number"):
            check_format(foreign, version)
        with pytest.raises(BadJson, match=r"content\.number"):
            builder(version, content={"number": number}).build(HOME, KEY)
    else:
        assert event_from_pdu(foreign, version).content == {"list": [{"number": number}]}
        event = builder(version, content={"number": number}).build(HOME, KEY)
        assert event_from_pdu(decode_strict(event.encoded), version).event_id == event.event_id


def test_trap_03_a_depth_beyond_canonical_json_makes_one_event_malformed() -> None:
    check_format(pdu(V5, depth=2**53), V5)
    with pytest.raises(BadJson, match="depth"):
        check_format(pdu(V6, depth=2**53), V6)


def test_trap_03_deep_nesting_makes_one_event_malformed_and_its_transaction_stays_readable() -> None:
    def nested(levels: int) -> Any:
        return decode_strict(b'{"a":' * levels + b"{}" + b"}" * levels)

    check_format(pdu(V12, content=nested(MAX_EVENT_NESTING - 2)), V12)
    deep = pdu(V12, content=nested(MAX_EVENT_NESTING + 2))
    (read_back,) = decode_strict(encode({"pdus": [deep]}))["pdus"]
    with pytest.raises(BadJson, match="nested"):
        check_format(read_back, V12)


SIZED = {"type": "{}", "state_key": "{}", "sender": "@{}:home.org", "room_id": "!{}:home.org"}


def filled(name: str, character: str, length: int) -> str:
    form = SIZED[name]
    return form.format(character * (length - len(form.format(""))))


@versions
@pytest.mark.parametrize("name", SIZED)
def test_trap_29_keys_are_measured_in_bytes_and_in_old_rooms_in_characters(version: RoomVersion, name: str) -> None:
    longest = filled(name, "x", 255)
    assert len(longest) == 255
    event = check_format(pdu(version, **{name: longest}), version)
    assert key_over_byte_limit(event) is None
    with pytest.raises(TooLarge, match=name):
        check_format(pdu(version, **{name: filled(name, "x", 256)}), version)
    wide = pdu(version, **{name: filled(name, "é", 255)})
    if version.byte_limits:
        with pytest.raises(TooLarge, match=f"{name} is longer than 255 bytes"):
            check_format(wide, version)
    else:
        assert key_over_byte_limit(check_format(wide, version)) == name  # to be stored as rejected
    with pytest.raises(TooLarge, match=f"{name} is longer than 255 bytes"):
        builder(version, **{name: filled(name, "é", 255)}).build(HOME, KEY)


@pytest.mark.parametrize("version", [V1, V2], ids=["1", "2"])
def test_trap_29_the_id_of_early_versions_is_measured_too(version: RoomVersion) -> None:
    check_format(pdu(version, event_id=f"${'x' * 252}:a"), version)
    with pytest.raises(TooLarge, match="event_id"):
        check_format(pdu(version, event_id=f"${'x' * 253}:a"), version)


@versions
def test_trap_29_an_event_is_measured_with_its_signatures_and_without_unsigned(version: RoomVersion) -> None:
    def sized(**changes: Any) -> Event:
        return builder(version, **changes).build(HOME, KEY)

    spare = 65536 - len(sized(content={"body": ""}).encoded)
    largest = sized(content={"body": "x" * spare})
    assert len(largest.encoded) == 65536
    event_from_pdu({**largest.pdu, "unsigned": {"age": 1}}, version)
    with pytest.raises(TooLarge, match="larger than 65536 bytes") as refused:
        sized(content={"body": "x" * (spare + 1)})
    assert (refused.value.status, refused.value.errcode) == (413, "M_TOO_LARGE")
    with pytest.raises(TooLarge):
        event_from_pdu({**largest.pdu, "signatures": {"home.org": {"ed25519:a": "x" * 87}}}, version)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_what_no_json_can_say_is_malformed(text: str) -> None:
    for name in ("type", "state_key"):
        with pytest.raises(BadJson):
            check_format(pdu(V11, **{name: text}), V11)
    with pytest.raises(BadJson):
        check_format(pdu(V3, content={"body": text}), V3)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.soak
@given(st.sampled_from(sorted(ROOM_VERSIONS)), st.sampled_from([*REQUIRED, "state_key", "event_id", "unsigned"]), json)
def test_whatever_stands_in_a_key_the_event_is_read_or_malformed(name: str, key: str, value: Any) -> None:
    version = ROOM_VERSIONS[name]
    try:
        event = event_from_pdu(pdu(version, **{key: value}), version)
    except MatrixError:
        return
    assert decode_strict(event.encoded) == event.pdu
    assert (version.event_id_format is EventIdFormat.CHOSEN) is (event.pdu.get("event_id") == event.event_id)
    assert len(event.auth_event_ids) <= 10
    required_signers(event)
    redacted(event)
