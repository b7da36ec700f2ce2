"""Content hashes, reference hashes and the ids made from them, against the specification's example code."""

import hashlib
from typing import Any

import pytest
from canonicaljson import encode_canonical_json
from hypothesis import given
from hypothesis import strategies as st
from unpaddedbase64 import encode_base64

from oriz_matrix.protocol.hashing import (
    content_hash,
    content_hash_matches,
    event_id_of,
    reference_hash,
    room_id_of_create,
)
from oriz_matrix.protocol.redaction import redact
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, V1, V3, V4, V5, V11, V12

versions = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


def message(**changes: Any) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "room_id": "!r:domain",
        "sender": "@u:domain",
        "origin_server_ts": 1_000_000,
        "depth": 3,
        "content": {"body": "Here is the message content"},
        "hashes": {"sha256": "eA"},
        "signatures": {"domain": {"ed25519:1": "c2ln"}},
        "unsigned": {"age_ts": 1_000_000},
        "prev_events": [],
        "auth_events": [],
        **changes,
    }


def test_the_content_hashes_of_the_specification() -> None:
    minimal = {
        "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1000000,
        "signatures": {}, "hashes": {}, "type": "X", "content": {}, "prev_events": [], "auth_events": [], "depth": 3,
        "unsigned": {"age_ts": 1000000},
    }  # fmt: skip
    assert encode_base64(content_hash(minimal)) == "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"


def test_trap_04_the_content_hash_covers_all_but_three_keys() -> None:
    pdu = message()
    assert content_hash(message(unsigned={}, signatures={}, hashes={})) == content_hash(pdu)
    changes: list[dict[str, Any]] = [
        {"content": {}},
        {"depth": 4},
        {"org.example": 1},
        {"event_id": "$x"},
        {"redacts": "$x"},
    ]
    for changed in changes:
        assert content_hash(message(**changed)) != content_hash(pdu)


@versions
def test_trap_04_the_reference_hash_covers_the_redacted_event_with_its_hashes(version: Any) -> None:
    pdu = message()
    essential = {k: v for k, v in redact(pdu, version).items() if k not in ("signatures", "unsigned")}
    assert reference_hash(pdu, version) == hashlib.sha256(encode_canonical_json(essential)).digest()
    assert reference_hash(message(unsigned={}, signatures={}, content={"body": "other"}), version) == reference_hash(
        pdu, version
    )
    assert reference_hash(message(hashes={"sha256": "eQ"}), version) != reference_hash(pdu, version)


def test_trap_11_event_ids_by_version() -> None:
    pdu = message(event_id="$0:domain")
    assert event_id_of(pdu, V1) == "$0:domain"
    # Some digest holds both characters in which the alphabets differ.
    samples = [message(depth=depth) for depth in range(60)]
    standard = [event_id_of(sample, V3) for sample in samples]
    assert standard == ["$" + encode_base64(reference_hash(sample, V3)) for sample in samples]
    assert any("+" in event_id for event_id in standard)
    assert any("/" in event_id for event_id in standard)
    assert [event_id_of(s, V4) for s in samples] == [e.replace("+", "-").replace("/", "_") for e in standard]
    assert {len(event_id) for event_id in standard} == {44}


def test_trap_24_the_room_id_is_the_hash_of_the_create_event() -> None:
    create = message(type="m.room.create", state_key="", content={"room_version": "12"})
    assert room_id_of_create(create, V11) == "!r:domain"
    del create["room_id"]
    assert room_id_of_create(create, V12) == "!" + event_id_of(create, V12)[1:]
    assert room_id_of_create(create, V12) == room_id_of_create(dict(create), V12)  # same user, same millisecond
    assert room_id_of_create({**create, "origin_server_ts": 1}, V12) != room_id_of_create(create, V12)


@given(numbers)
def test_trap_02_old_rooms_hash_floats_and_big_integers(number: float) -> None:
    pdu = message(content={"value": number})
    bare = {k: v for k, v in pdu.items() if k not in ("unsigned", "signatures", "hashes")}
    assert content_hash(pdu) == hashlib.sha256(encode_canonical_json(bare)).digest()
    levels = message(type="m.room.power_levels", content={"ban": number})
    assert reference_hash(levels, V5) != reference_hash(message(type="m.room.power_levels"), V5)


@pytest.mark.parametrize("dialect", [{}, {"urlsafe": True}])
def test_trap_05_a_content_hash_fits_or_not_and_never_fails(dialect: dict[str, bool]) -> None:
    pdu = message()
    right = encode_base64(content_hash(pdu), **dialect)
    for claimed, matches in (
        (right, True),
        (right + "=", True),
        (right[:-2], False),
        ("é", False),
        ("a", False),
        ("", False),
    ):
        assert content_hash_matches(message(hashes={"sha256": claimed})) is matches
    assert not content_hash_matches(message(hashes={"sha256": right}, content={"body": "altered"}))
