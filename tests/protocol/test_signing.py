"""Signatures, against the specification's vectors and the signedjson package."""

from collections.abc import Mapping
from typing import Any

import pytest
import signedjson.key
import signedjson.sign
from hypothesis import given
from hypothesis import strategies as st
from unpaddedbase64 import decode_base64

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.redaction import redact
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, V1, V2, V3, V7, V8, V12, RoomVersion
from oriz_matrix.protocol.signing import (
    KeyLookup,
    SigningKey,
    VerifyKey,
    required_signers,
    sign_event,
    sign_json,
    verify_event_signatures,
    verify_json,
)

KEY = SigningKey("1", decode_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"))  # the specification's
OTHER = SigningKey("1", b"o" * 32)
versions = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=ROOM_VERSIONS)
texts = st.text(st.characters(exclude_categories=["Cs"]))
objects = st.dictionaries(texts, st.none() | st.integers() | texts | st.lists(texts))


def knowing(keys: Mapping[str, VerifyKey]) -> KeyLookup:
    """A lookup that knows keys by `server key_id`."""
    return lambda server, key_id: keys.get(f"{server} {key_id}")


DOMAIN = knowing({"domain ed25519:1": KEY.verify_key})


def event(version: RoomVersion, kind: str = "m.room.message", **content: Any) -> Event:
    pdu = {
        "type": kind,
        "sender": "@u:domain",
        "room_id": "!r:domain",
        "content": content,
        "signatures": {},
        "hashes": {},
        "depth": 1,
    }
    signed = sign_event(pdu, version, "domain", KEY)
    return Event(version, EventId("$0:other.org"), RoomId("!r:domain"), signed)


@pytest.mark.parametrize(
    ("obj", "signature"),
    [
        ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_the_json_vectors_of_the_specification(obj: dict[str, Any], signature: str) -> None:
    assert sign_json(obj, "domain", KEY) == {**obj, "signatures": {"domain": {"ed25519:1": signature}}}


MINIMAL = {
    "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1000000, "signatures": {},
    "hashes": {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"}, "type": "X", "content": {}, "prev_events": [],
    "auth_events": [], "depth": 3, "unsigned": {"age_ts": 1000000},
}  # fmt: skip
REDACTABLE = {
    "content": {"body": "Here is the message content"}, "event_id": "$0:domain", "origin": "domain",
    "origin_server_ts": 1000000, "type": "m.room.message", "room_id": "!r:domain", "sender": "@u:domain",
    "signatures": {}, "unsigned": {"age_ts": 1000000},
    "hashes": {"sha256": "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("pdu", "signature"),
    [
        (MINIMAL, "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"),
        (REDACTABLE, "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"),
    ],
)
def test_the_event_vectors_of_the_specification(pdu: dict[str, Any], signature: str) -> None:
    assert sign_event(pdu, V1, "domain", KEY) == {**pdu, "signatures": {"domain": {"ed25519:1": signature}}}


@given(objects, st.binary(min_size=32, max_size=32))
def test_signatures_are_those_of_the_signedjson_package(obj: dict[str, Any], seed: bytes) -> None:
    key = SigningKey("a_1", seed)
    theirs = signedjson.key.decode_signing_key_base64("ed25519", "a_1", key.to_text().split()[2])
    obj = {k: v for k, v in obj.items() if k not in ("signatures", "unsigned")} | {"unsigned": {"age": 1}}
    signed = sign_json(obj, "x.org", key)
    assert signed == signedjson.sign.sign_json(dict(obj), "x.org", theirs)
    signedjson.sign.verify_signed_json(signed, "x.org", signedjson.key.get_verify_key(theirs))
    assert verify_json(signed, "x.org", knowing({"x.org ed25519:a_1": key.verify_key}))


def test_signing_adds_to_what_is_there_and_changes_nothing() -> None:
    obj = {"a": 1, "unsigned": {"age": 5}, "signatures": {"domain": {"ed25519:0": "old"}, "x.org": {"ed25519:a": "b"}}}
    before = repr(obj)
    signatures = sign_json(obj, "domain", KEY)["signatures"]
    assert repr(obj) == before
    assert signatures["x.org"] == {"ed25519:a": "b"}
    assert set(signatures["domain"]) == {"ed25519:0", "ed25519:1"}
    assert set(sign_json({"signatures": {"domain": "nonsense"}}, "domain", KEY)["signatures"]["domain"]) == {
        "ed25519:1"
    }


def test_key_files_are_read_and_written() -> None:
    text = "ed25519 a_abc YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0\n"
    key = SigningKey.from_text(text)
    assert key.key_id == "ed25519:a_abc"
    assert key.to_text() == text
    assert key.verify_key.to_base64() == KEY.verify_key.to_base64()
    assert "YJDB" not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519 a",
        "rsa a YJDB",
        "ed25519 a-b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
        "ed25519 a YJDB",
        "ed25519 a é",
    ],
)
def test_what_is_no_key_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        SigningKey.from_text(text)


def test_trap_11_keys_and_signatures_come_in_either_alphabet_padded_or_not() -> None:
    signed = sign_json({"n": 2}, "domain", KEY)
    signature = signed["signatures"]["domain"]["ed25519:1"]
    assert {"+", "/"} & set(signature)
    for text in (signature, signature + "==", signature.replace("+", "-").replace("/", "_")):
        assert verify_json({"n": 2, "signatures": {"domain": {"ed25519:1": text}}}, "domain", DOMAIN)
    text = OTHER.verify_key.to_base64()
    for same in (text, text + "=", text.replace("+", "-").replace("/", "_")):
        assert VerifyKey.from_base64(same).to_base64() == text


@pytest.mark.parametrize("text", ["", "abc", "é", "A" * 42, "A" * 44])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        VerifyKey.from_base64(text)


@pytest.mark.parametrize(
    "signatures",
    [None, 5, {}, {"domain": None}, {"domain": {}}, {"domain": {"ed25519:1": None}}, {"domain": {"ed25519:1": "é"}},
     {"domain": {"ed25519:1": "c2hvcnQ"}}, {"domain": {"rsa:1": "c2ln"}}, {"other.org": {"ed25519:1": "c2ln"}}],
)  # fmt: skip
def test_without_a_valid_signature_nothing_is_signed(signatures: Any) -> None:
    assert not verify_json({"a": 1, "signatures": signatures}, "domain", DOMAIN)
    assert not verify_json({"a": 1}, "domain", DOMAIN)


def test_a_changed_object_is_not_signed() -> None:
    signed = sign_json({"a": 1}, "domain", KEY)
    assert verify_json({**signed, "unsigned": {"anything": 1}}, "domain", DOMAIN)
    assert not verify_json({**signed, "a": 2}, "domain", DOMAIN)
    assert not verify_json(signed, "other.org", DOMAIN)


def test_trap_10_signatures_by_unknown_keys_are_passed_over_and_wrong_ones_are_not() -> None:
    signed = sign_json({"a": 1}, "domain", KEY)
    ours = signed["signatures"]["domain"]
    both = {"a": 1, "signatures": {"domain": {**ours, "ed25519:gone": "c2ln", "p256:1": "c2ln"}}}
    assert verify_json(both, "domain", DOMAIN)
    assert not verify_json(both, "domain", knowing({}))
    both_known = knowing({"domain ed25519:1": KEY.verify_key, "domain ed25519:gone": OTHER.verify_key})
    assert not verify_json(both, "domain", both_known)


@versions
def test_trap_04_a_signature_holds_for_the_redacted_event_too(version: RoomVersion) -> None:
    signed = sign_event({**REDACTABLE, "type": "m.room.member"}, version, "domain", KEY)
    full = Event(version, EventId("$0:domain"), RoomId("!r:domain"), signed)
    verify_event_signatures(full, DOMAIN)
    redacted = Event(version, full.event_id, full.room_id, redact(signed, version))
    verify_event_signatures(redacted, DOMAIN)
    altered = Event(version, full.event_id, full.room_id, {**signed, "sender": "@v:domain"})
    with pytest.raises(Forbidden, match="signed by domain"):
        verify_event_signatures(altered, DOMAIN)


@versions
def test_an_event_is_signed_by_its_sender_and_before_version_3_by_its_maker(version: RoomVersion) -> None:
    expected = {"domain", "other.org"} if version in (V1, V2) else {"domain"}
    assert required_signers(event(version)) == expected


def test_a_second_signature_that_is_missing_is_named() -> None:
    with pytest.raises(Forbidden, match=r"signed by other\.org"):
        verify_event_signatures(event(V1), DOMAIN)


@versions
def test_trap_25_another_server_may_send_a_third_party_invite(version: RoomVersion) -> None:
    invite = event(version, "m.room.member", membership="invite", third_party_invite={})
    assert "domain" not in required_signers(invite)
    for other in ({"membership": "join", "third_party_invite": {}}, {"membership": "invite"}):
        assert "domain" in required_signers(event(version, "m.room.member", **other))
    assert "domain" in required_signers(event(version, "m.custom", membership="invite", third_party_invite={}))


@pytest.mark.parametrize(
    ("version", "authorizer", "signers"),
    [
        (V7, "@admin:third.org", {"domain"}),
        (V8, "@admin:third.org", {"domain", "third.org"}),
        (V12, "@admin:third.org", {"domain", "third.org"}),
        (V12, "nobody", {"domain", ""}),
        (V12, None, {"domain", ""}),
    ],
)
def test_trap_26_who_authorizes_a_restricted_join_signs_it(
    version: RoomVersion, authorizer: Any, signers: set[str]
) -> None:
    join = event(version, "m.room.member", membership="join", join_authorised_via_users_server=authorizer)
    assert required_signers(join) == signers
    if len(signers) > 1:
        with pytest.raises(Forbidden):
            verify_event_signatures(join, DOMAIN)
    assert required_signers(event(V3, "m.room.message", join_authorised_via_users_server=authorizer)) == {"domain"}
