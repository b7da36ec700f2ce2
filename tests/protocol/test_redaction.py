"""What survives redaction, in each room version."""

from typing import Any

import pytest

from oriz_matrix.protocol.redaction import redact
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS

# Each key with the versions that keep it, first and last. Source: room version pages, "Redactions".
TOP_LEVEL = {
    "event_id": (1, 12), "type": (1, 12), "room_id": (1, 12), "sender": (1, 12), "state_key": (1, 12),
    "content": (1, 12), "hashes": (1, 12), "signatures": (1, 12), "depth": (1, 12), "prev_events": (1, 12),
    "auth_events": (1, 12), "origin_server_ts": (1, 12), "prev_state": (1, 10), "origin": (1, 10),
    "membership": (1, 10), "unsigned": None, "redacts": None, "age_ts": None, "org.example": None,
}  # fmt: skip
CONTENT: dict[str, dict[str, tuple[int, int] | None]] = {
    "m.room.member": {
        "membership": (1, 12),
        "join_authorised_via_users_server": (9, 12),
        "displayname": None,
        "third_party_invite": None,  # has a test of its own
    },
    "m.room.create": {"creator": (1, 12), "m.federate": (11, 12), "room_version": (11, 12), "org.example": (11, 12)},
    "m.room.join_rules": {"join_rule": (1, 12), "allow": (8, 12), "deny": None},
    "m.room.power_levels": {
        "ban": (1, 12), "events": (1, 12), "events_default": (1, 12), "kick": (1, 12), "redact": (1, 12),
        "state_default": (1, 12), "users": (1, 12), "users_default": (1, 12), "invite": (11, 12), "notifications": None,
    },
    "m.room.aliases": {"aliases": (1, 5), "alias": None},
    "m.room.history_visibility": {"history_visibility": (1, 12), "visibility": None},
    "m.room.redaction": {"redacts": (11, 12), "reason": None},
    "m.room.message": {"body": None, "msgtype": None},
    "m.room.server_acl": {"allow": None, "deny": None},
}  # fmt: skip

versions = pytest.mark.parametrize("version", ROOM_VERSIONS)


def kept(keys: dict[str, Any], version: str) -> set[str]:
    return {name for name, span in keys.items() if span and span[0] <= int(version) <= span[1]}


@versions
@pytest.mark.parametrize("kind", CONTENT)
def test_trap_06_each_version_keeps_its_keys(version: str, kind: str) -> None:
    pdu: dict[str, Any] = {**dict.fromkeys(TOP_LEVEL, "value"), "type": kind}
    pdu["content"] = content = dict.fromkeys(set(CONTENT[kind]) - {"third_party_invite"}, "value")
    redacted = redact(pdu, ROOM_VERSIONS[version])
    assert set(redacted) == kept(TOP_LEVEL, version)
    assert set(redacted["content"]) == kept(CONTENT[kind], version)
    assert all(redacted[name] == pdu[name] for name in set(redacted) - {"content"})
    assert pdu["content"] is content
    assert set(pdu) == set(TOP_LEVEL)


@versions
@pytest.mark.parametrize(
    ("invite", "from_11"),
    [
        ({"display_name": "B", "signed": {"mxid": "@b:x"}}, {"signed": {"mxid": "@b:x"}}),
        ({"display_name": "B"}, {}),
        ("not an object", None),
    ],
)
def test_trap_06_of_a_third_party_invite_only_signed_is_kept(version: str, invite: Any, from_11: Any) -> None:
    content: dict[str, Any] = {"membership": "invite", "third_party_invite": invite}
    redacted = redact({"type": "m.room.member", "content": content}, ROOM_VERSIONS[version])
    expected: dict[str, Any] = {"membership": "invite"}
    if int(version) >= 11 and from_11 is not None:
        expected["third_party_invite"] = from_11
    assert redacted["content"] == expected
    assert content["third_party_invite"] == invite


@versions
def test_redacting_twice_is_redacting_once(version: str) -> None:
    for kind, keys in CONTENT.items():
        pdu = {"type": kind, "content": {key: {"signed": 1} for key in keys}, "unsigned": {}}
        once = redact(pdu, ROOM_VERSIONS[version])
        assert redact(once, ROOM_VERSIONS[version]) == once
