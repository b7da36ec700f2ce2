"""Room versions as data: one row of flags a version, each derived from the one before it.

No code compares version numbers; it asks a flag. Source: matrix-spec `content/rooms/v1.md` to `v12.md`.
"""

from dataclasses import dataclass, replace
from enum import Enum


class EventIdFormat(Enum):
    """Where an event's id comes from."""

    CHOSEN = "chosen"  # v1, v2: $opaque:domain, inside the PDU
    BASE64 = "base64"  # v3: unpadded standard base64 of the reference hash
    URL_SAFE = "url_safe"  # v4 and later: the same in the URL-safe alphabet


class StateResolution(Enum):
    """Which algorithm merges the states of a fork."""

    V1 = "1"
    V2 = "2"
    V2_1 = "2.1"


class Redaction(Enum):
    """Which of the five redaction algorithms applies; named after the first version that has it."""

    R1 = 1
    R6 = 6
    R8 = 8
    R9 = 9
    R11 = 11


class PowerLevelType(Enum):
    """What a power level may be."""

    LENIENT = "lenient"  # v1 to v5: integers, strings of integers, floats (truncated)
    STRINGS = "strings"  # v6 to v9: integers and strings of integers
    INTEGERS = "integers"  # v10 and later: integers only


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomVersion:
    """The rules of one room version."""

    name: str
    event_id_format: EventIdFormat
    state_resolution: StateResolution
    redaction: Redaction
    power_level_type: PowerLevelType
    max_depth: int
    strict_json: bool  # canonical JSON enforced: integers within ±(2^53-1), no floats
    key_validity: bool  # signing keys must have been valid when the event was made
    aliases_rule: bool  # m.room.aliases has an authorization rule of its own
    redaction_rule: bool  # redactions are decided by the authorization rules
    redacts_in_content: bool
    notification_levels: bool  # changes of `notifications` are checked like those of `events`
    knock: bool
    restricted: bool
    knock_restricted: bool
    creator_in_content: bool  # m.room.create needs `creator`
    privileged_creators: bool  # creators have infinite power; additional_creators exists
    room_id_is_create_hash: bool  # the room id is the create event's reference hash
    create_in_auth_events: bool
    byte_limits: bool  # events over 255 bytes but under 256 characters in a key are malformed, not merely rejected


V1 = RoomVersion(
    name="1",
    event_id_format=EventIdFormat.CHOSEN,
    state_resolution=StateResolution.V1,
    redaction=Redaction.R1,
    power_level_type=PowerLevelType.LENIENT,
    max_depth=2**63 - 1,
    strict_json=False,
    key_validity=False,
    aliases_rule=True,
    redaction_rule=True,
    redacts_in_content=False,
    notification_levels=False,
    knock=False,
    restricted=False,
    knock_restricted=False,
    creator_in_content=True,
    privileged_creators=False,
    room_id_is_create_hash=False,
    create_in_auth_events=True,
    byte_limits=False,
)
V2 = replace(V1, name="2", state_resolution=StateResolution.V2)
V3 = replace(V2, name="3", event_id_format=EventIdFormat.BASE64, redaction_rule=False)
V4 = replace(V3, name="4", event_id_format=EventIdFormat.URL_SAFE)
V5 = replace(V4, name="5", key_validity=True)
V6 = replace(
    V5,
    name="6",
    redaction=Redaction.R6,
    power_level_type=PowerLevelType.STRINGS,
    max_depth=2**53 - 1,
    strict_json=True,
    aliases_rule=False,
    notification_levels=True,
)
V7 = replace(V6, name="7", knock=True)
V8 = replace(V7, name="8", redaction=Redaction.R8, restricted=True)
V9 = replace(V8, name="9", redaction=Redaction.R9)
V10 = replace(V9, name="10", power_level_type=PowerLevelType.INTEGERS, knock_restricted=True)
V11 = replace(
    V10, name="11", redaction=Redaction.R11, redacts_in_content=True, creator_in_content=False, byte_limits=True
)
V12 = replace(
    V11,
    name="12",
    state_resolution=StateResolution.V2_1,
    privileged_creators=True,
    room_id_is_create_hash=True,
    create_in_auth_events=False,
)

ROOM_VERSIONS: dict[str, RoomVersion] = {v.name: v for v in (V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12)}
DEFAULT_ROOM_VERSION = V12
