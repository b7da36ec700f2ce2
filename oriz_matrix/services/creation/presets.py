"""The state that a new room starts with, by preset. Source: client-server API, "Creation"."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.room_versions import RoomVersion


class Preset(Enum):
    """The presets of /createRoom."""

    PRIVATE_CHAT = "private_chat"
    TRUSTED_PRIVATE_CHAT = "trusted_private_chat"
    PUBLIC_CHAT = "public_chat"


def preset_state(preset: Preset) -> dict[StateKey, Mapping[str, Any]]:
    """Join rules, history visibility and guest access."""
    public = preset is Preset.PUBLIC_CHAT
    return {
        ("m.room.join_rules", ""): {"join_rule": "public" if public else "invite"},
        ("m.room.history_visibility", ""): {"history_visibility": "shared"},
        ("m.room.guest_access", ""): {"guest_access": "forbidden" if public else "can_join"},
    }


def power_levels(
    version: RoomVersion, preset: Preset, creator: UserId, invited: Sequence[UserId], override: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of the first m.room.power_levels: creators have all power where the version says so, else 100."""
    powerful = [creator, *(invited if preset is Preset.TRUSTED_PRIVATE_CHAT else ())]
    return {
        "users": {} if version.privileged_creators else dict.fromkeys(powerful, 100),
        "users_default": 0,
        "events": {
            "m.room.name": 50,
            "m.room.avatar": 50,
            "m.room.canonical_alias": 50,
            "m.room.power_levels": 100,
            "m.room.history_visibility": 100,
            "m.room.server_acl": 100,
            "m.room.encryption": 100,
            # MSC4289: closing a room must take more power than an ordinary administrator's 100.
            "m.room.tombstone": 150 if version.privileged_creators else 100,
        },
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 50 if preset is Preset.PUBLIC_CHAT else 0,
        "historical": 100,
        **override,
    }
