"""Redaction: what survives of an event, by room version.

Event ids and signatures are made over the redacted form, so a slip here splits rooms. Five algorithms, as data.
Source: room version pages, "Redactions".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oriz_matrix.protocol.room_versions import Redaction, RoomVersion

_Kept = Mapping[str, "_Kept | None"]
"""Names that are kept: whole (None), or as an object of which only the given names are kept."""


def _whole(names: str) -> _Kept:
    return dict.fromkeys(names.split())


@dataclass(frozen=True, slots=True)
class _Algorithm:
    """The top-level keys that are kept, and the keys of `content` by event type; None keeps the whole content."""

    top_level: _Kept
    content: Mapping[str, _Kept | None]


_R1 = _Algorithm(
    top_level=_whole(
        "event_id type room_id sender state_key content hashes signatures depth prev_events prev_state auth_events "
        "origin origin_server_ts membership"
    ),
    content={
        "m.room.member": _whole("membership"),
        "m.room.create": _whole("creator"),
        "m.room.join_rules": _whole("join_rule"),
        "m.room.power_levels": _whole("ban events events_default kick redact state_default users users_default"),
        "m.room.aliases": _whole("aliases"),
        "m.room.history_visibility": _whole("history_visibility"),
    },
)
# MSC2432: aliases are redacted like everything else.
_R6 = _Algorithm(
    top_level=_R1.top_level,
    content={kind: kept for kind, kept in _R1.content.items() if kind != "m.room.aliases"},
)
# MSC3083 forgot join_authorised_via_users_server; MSC3375 (R9) repaired it.
_R8 = _Algorithm(
    top_level=_R6.top_level,
    content={**_R6.content, "m.room.join_rules": _whole("join_rule allow")},
)
_R9 = _Algorithm(
    top_level=_R8.top_level,
    content={**_R8.content, "m.room.member": _whole("membership join_authorised_via_users_server")},
)
# MSC2174, MSC2176, MSC3821, MSC3989.
_R11 = _Algorithm(
    top_level=_whole(
        "event_id type room_id sender state_key content hashes signatures depth prev_events auth_events "
        "origin_server_ts"
    ),
    content={
        **_R9.content,
        "m.room.member": {
            **_whole("membership join_authorised_via_users_server"),
            "third_party_invite": _whole("signed"),
        },
        "m.room.create": None,
        "m.room.power_levels": _whole("ban events events_default invite kick redact state_default users users_default"),
        "m.room.redaction": _whole("redacts"),
    },
)

_ALGORITHMS: Mapping[Redaction, _Algorithm] = {
    Redaction.R1: _R1,
    Redaction.R6: _R6,
    Redaction.R8: _R8,
    Redaction.R9: _R9,
    Redaction.R11: _R11,
}
_NOTHING: _Kept = {}


def redact(pdu: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """The redacted form of a PDU, a new dict that shares what it keeps with the PDU; `unsigned` is not kept."""
    algorithm = _ALGORITHMS[version.redaction]
    redacted = _keep(pdu, algorithm.top_level)
    kept = algorithm.content.get(pdu["type"], _NOTHING)
    if kept is not None:
        redacted["content"] = _keep(pdu["content"], kept)
    return redacted


def _keep(members: Mapping[str, Any], kept: _Kept) -> dict[str, Any]:
    """The members with a kept name; where only a part of a member is kept, it must be an object to have that part."""
    result = {}
    for name, inner in kept.items():
        if name not in members:
            continue
        if inner is None:
            result[name] = members[name]
        elif isinstance(members[name], dict):
            result[name] = _keep(members[name], inner)
    return result
