"""What a server publishes of its keys, and until when each is believed."""

from typing import Any

import pytest

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import LONGEST_VALIDITY_MS, parse_published, publish
from oriz_matrix.protocol.signing import SigningKey, sign_json

NAME = ServerName("a.org")
NEW, OLD = SigningKey("new", b"n" * 32), SigningKey("old", b"o" * 32)
NOW = 1_700_000_000_000
DAY = 24 * 3600 * 1000


def published(**changes: Any) -> dict[str, Any]:
    """The keys of a.org, with changes that it has signed too."""
    content = publish(NAME, NEW, {OLD.key_id: (OLD.verify_key, NOW - DAY)}, NOW + DAY)
    del content["signatures"]
    return sign_json({**content, **changes}, NAME, NEW)


def test_what_is_published_is_understood() -> None:
    keys = parse_published(published(), NAME, NOW)
    new, old = keys.keys["ed25519:new"], keys.keys["ed25519:old"]
    assert bytes(new.key) == bytes(NEW.verify_key)
    assert (new.valid_until, new.current, old.valid_until, old.current) == (NOW + DAY, True, NOW - DAY, False)
    assert keys.valid_until == NOW + DAY


def test_trap_10_a_key_has_two_clocks() -> None:
    keys = parse_published(published(), NAME, NOW).keys
    new, old = keys["ed25519:new"], keys["ed25519:old"]
    assert (new.signs_requests(NOW), new.signs_requests(NOW + DAY + 1)) == (True, False)
    assert not old.signs_requests(NOW - DAY)
    assert (old.signs_events(NOW - DAY), old.signs_events(NOW - DAY + 1)) == (True, False)
    assert (new.signs_events(NOW - 999 * DAY), new.signs_events(NOW + DAY + 1)) == (True, False)


def test_trap_10_no_key_is_believed_for_longer_than_a_week() -> None:
    for moment in (NOW + 999 * DAY, 2**80):
        keys = parse_published(published(valid_until_ts=moment), NAME, NOW)
        assert keys.valid_until == keys.keys["ed25519:new"].valid_until == NOW + LONGEST_VALIDITY_MS
    future = {"ed25519:old": {"key": OLD.verify_key.to_base64(), "expired_ts": 2**70}}
    assert parse_published(published(old_verify_keys=future), NAME, NOW).keys["ed25519:old"].valid_until == NOW


def test_what_is_unknown_is_passed_over() -> None:
    entry = {"key": NEW.verify_key.to_base64() + "="}
    content = published(verify_keys={"ed25519:new": entry, "p256:1": 5, "ed25519:": {}, "ed25519:a-b": {}}, more=1)
    assert list(parse_published(content, NAME, NOW).keys) == ["ed25519:old", "ed25519:new"]
    content = published(old_verify_keys={})
    assert list(parse_published(content, NAME, NOW).keys) == ["ed25519:new"]


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        published(server_name="b.org"),
        published(verify_keys={}),
        published(verify_keys=[]),
        published(verify_keys={"ed25519:new": "key"}),
        published(verify_keys={"ed25519:new": {"key": "abc"}}),
        published(verify_keys={"ed25519:new": {"key": OLD.verify_key.to_base64()}}),
        published(verify_keys={"ed25519:new": {}}),
        published(old_verify_keys={"ed25519:old": {"key": OLD.verify_key.to_base64()}}),
        published(old_verify_keys=None),
        published(valid_until_ts=None),
        published(valid_until_ts=True),
        published(valid_until_ts=-1),
        published(valid_until_ts="5"),
        published(verify_keys={f"ed25519:{number}": {} for number in range(201)}),
        {**published(), "valid_until_ts": 5},
        {**published(), "signatures": {"a.org": {}}},
        {**published(), "signatures": None},
        sign_json({**published(), "signatures": {}}, NAME, OLD),
    ],
)
def test_what_is_wrong_or_not_signed_by_itself_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_published(content, NAME, NOW)
