"""Proofs of third-party invites."""

from typing import Any

import pytest

from oriz_matrix.protocol.signing import SigningKey, sign_json
from oriz_matrix.protocol.third_party_invites import MAX_KEYS, MAX_SIGNATURES, proves_binding

IDENTITY = SigningKey("0", b"i" * 32)
EPHEMERAL = SigningKey("1", b"\xff" * 32)
STRANGER = SigningKey("0", b"s" * 32)
PUBLIC = IDENTITY.verify_key.to_base64()
SIGNED = sign_json({"mxid": "@bob:home.org", "token": "abc"}, "identity.org", IDENTITY)


def url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


@pytest.mark.parametrize(
    "invite",
    [
        {"public_key": PUBLIC},
        {"public_key": PUBLIC + "="},
        {"public_key": url_safe(PUBLIC)},
        {"public_keys": [{"public_key": PUBLIC}]},
        {"public_key": STRANGER.verify_key.to_base64(), "public_keys": [{}, {"public_key": PUBLIC}]},
        {"public_key": None, "public_keys": [None, 5, {"public_key": 5}, {"public_key": "é"}, {"public_key": PUBLIC}]},
    ],
)
def test_trap_25_one_of_the_keys_is_enough(invite: dict[str, Any]) -> None:
    assert proves_binding(SIGNED, invite)


@pytest.mark.parametrize("key", [IDENTITY, EPHEMERAL, STRANGER])
def test_trap_25_keys_come_in_either_alphabet(key: SigningKey) -> None:
    signed = sign_json({"mxid": "@bob:home.org", "token": "abc"}, "identity.org", key)
    assert proves_binding(signed, {"public_key": url_safe(key.verify_key.to_base64())})


def test_trap_25_it_is_the_key_that_counts_and_not_the_server() -> None:
    other = sign_json({"mxid": "@bob:home.org", "token": "abc"}, "elsewhere.org", STRANGER)
    both = sign_json(other, "someone.org", IDENTITY)
    assert proves_binding(both, {"public_key": PUBLIC})
    assert not proves_binding(other, {"public_key": PUBLIC})


@pytest.mark.parametrize("changed", [{"mxid": "@eve:home.org"}, {"token": "other"}, {"extra": 1}])
def test_trap_25_a_changed_block_proves_nothing(changed: dict[str, Any]) -> None:
    assert not proves_binding({**SIGNED, **changed}, {"public_key": PUBLIC})


@pytest.mark.parametrize(
    "invite", [{}, {"public_key": ""}, {"public_keys": {}}, {"public_keys": []}, {"public_key": "abc"}]
)
def test_a_withdrawn_invite_proves_nothing(invite: dict[str, Any]) -> None:
    assert not proves_binding(SIGNED, invite)


@pytest.mark.parametrize(
    "signed",
    [None, 5, "x", [], {}, {"signatures": 5}, {"signatures": {"x": 5}}, {"signatures": {"x": {"ed25519:0": 5}}},
     {"signatures": {"x": {"rsa:0": "c2ln"}}}],
)  # fmt: skip
def test_a_malformed_block_proves_nothing(signed: Any) -> None:
    assert not proves_binding(signed, {"public_key": PUBLIC})


def test_a_flood_of_keys_and_signatures_is_cut_short() -> None:
    key, signature = STRANGER.verify_key.to_base64(), SIGNED["signatures"]["identity.org"]["ed25519:0"]

    def proven(keys_before: int, signatures_before: int) -> bool:
        wrong = {f"ed25519:x{number}": "c2ln" for number in range(signatures_before)}
        signed = {**SIGNED, "signatures": {"identity.org": {**wrong, "ed25519:0": signature}}}
        return proves_binding(signed, {"public_keys": [{"public_key": key}] * keys_before + [{"public_key": PUBLIC}]})

    assert proven(MAX_KEYS - 1, MAX_SIGNATURES - 1)
    assert not proven(MAX_KEYS, 0)
    assert not proven(0, MAX_SIGNATURES)
