"""Lenient views of the contents of state events: what a content says, whatever else or wrong is in it.

An accepted event may hold nearly anything where the authorization rules do not look, so a view never raises: what has
the wrong shape counts as absent. `parse_level` is the one reading of a power level for all room versions.
Source: client-server API, "Room Events"; room version pages, "Deprecated event content schemas".
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.protocol.room_versions import PowerLevelType

CREATE: Final[StateKey] = ("m.room.create", "")
JOIN_RULES: Final[StateKey] = ("m.room.join_rules", "")
POWER_LEVELS: Final[StateKey] = ("m.room.power_levels", "")
HISTORY_VISIBILITY: Final[StateKey] = ("m.room.history_visibility", "")
MEMBER: Final = "m.room.member"
"""The type of the events that say who is in a room."""

Level = int | float
"""A power level: an integer, or `INFINITE`. Python compares the two exactly, however large the integer."""

INFINITE: Final = math.inf
"""The level of the creators of a room version with privileged creators."""

MAX_DIGITS = 308
"""Longer numbers lie outside the range of a binary64, which makes a level invalid (room version 1)."""

_INTEGER = re.compile(r"\s*+([+-]?)([0-9]++)\s*+", re.ASCII)

VISIBILITIES = frozenset({"world_readable", "shared", "invited", "joined"})


def member_key(user_id: str) -> StateKey:
    """Where a user's membership stands in the state."""
    return ("m.room.member", user_id)


def parse_level(kind: PowerLevelType, value: Any) -> int | None:
    """The integer that a level stands for in rooms of this kind, or None when it is none; `true` is not an integer."""
    if type(value) is int:
        return value
    if kind is PowerLevelType.INTEGERS:
        return None
    if isinstance(value, str):
        return _parse_text(value)
    if kind is PowerLevelType.LENIENT and isinstance(value, float) and math.isfinite(value):
        return int(value)
    return None


def _parse_text(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    digits = match[2].lstrip("0") or "0"
    return int(match[1] + digits) if len(digits) <= MAX_DIGITS else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class Create:
    """What the m.room.create event says of the room."""

    __slots__ = ("content", "sender", "version")

    def __init__(self, event: Event) -> None:
        self.version = event.version
        self.sender = event.sender
        self.content = event.content

    @property
    def creator(self) -> str | None:
        """The one who made the room: named in the content up to room version 10, the sender after."""
        return _text(self.content.get("creator")) if self.version.creator_in_content else self.sender

    @property
    def creators(self) -> Sequence[str]:
        """All creators, the first of them first; several only in rooms with privileged creators (MSC4289)."""
        if self.version.privileged_creators:
            return [self.sender, *self._additional()]
        return [self.creator] if self.creator is not None else []

    def is_creator(self, user_id: str) -> bool:
        """Whether the user is one of the creators."""
        if self.version.privileged_creators:
            return user_id == self.sender or user_id in self._additional()
        return user_id == self.creator

    def _additional(self) -> Sequence[str]:
        additional = self.content.get("additional_creators")
        return additional if isinstance(additional, list) else ()

    @property
    def federates(self) -> bool:
        """Whether users of other servers may take part."""
        return self.content.get("m.federate") is not False

    @property
    def room_type(self) -> str | None:
        """`m.space` for a space, None for an ordinary room."""
        return _text(self.content.get("type"))

    @property
    def predecessor(self) -> RoomId | None:
        """The room that this one replaces."""
        room_id = _text(_object(self.content.get("predecessor")).get("room_id"))
        return RoomId(room_id) if room_id is not None else None


class Member:
    """What an m.room.member event says."""

    __slots__ = ("content",)

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    @property
    def membership(self) -> str | None:
        """join, invite, leave, ban, knock or any other text."""
        return _text(self.content.get("membership"))

    @property
    def authorising_user(self) -> UserId | None:
        """The member whose server let this user in by a restricted join rule."""
        user_id = _text(self.content.get("join_authorised_via_users_server"))
        return UserId(user_id) if user_id is not None else None

    @property
    def is_third_party_invite(self) -> bool:
        """Whether the event claims to redeem an m.room.third_party_invite."""
        return "third_party_invite" in self.content

    @property
    def signed(self) -> Mapping[str, Any] | None:
        """The identity server's signed block {mxid, token, signatures} of a third-party invite; unchecked."""
        signed = _object(self.content.get("third_party_invite")).get("signed")
        return signed if isinstance(signed, Mapping) else None

    @property
    def third_party_token(self) -> str | None:
        """The state key of the m.room.third_party_invite that the event redeems."""
        return _text((self.signed or {}).get("token"))

    @property
    def display_name(self) -> str | None:
        """The member's name in this room."""
        return _text(self.content.get("displayname"))

    @property
    def avatar_url(self) -> str | None:
        """The member's picture in this room, an mxc URI; unchecked."""
        return _text(self.content.get("avatar_url"))


def membership(event: Event | None) -> str | None:
    """The membership that a member event gives its user; None without an event."""
    return None if event is None else _text(event.content.get("membership"))


class JoinRules:
    """Who may join; without an event only the invited."""

    __slots__ = ("content",)

    def __init__(self, event: Event | None) -> None:
        self.content: Mapping[str, Any] = event.content if event is not None else {}

    @property
    def rule(self) -> str:
        """public, invite, knock, restricted, knock_restricted, private or any other text."""
        return _text(self.content.get("join_rule", "invite")) or ""

    @property
    def allowed_rooms(self) -> Sequence[RoomId]:
        """The rooms whose members may join by a restricted rule; unknown kinds of conditions are passed over."""
        conditions = self.content.get("allow")
        found = [_object(c) for c in conditions] if isinstance(conditions, list) else []
        rooms = [_text(c.get("room_id")) for c in found if c.get("type") == "m.room_membership"]
        return [RoomId(r) for r in rooms if r is not None]


class PowerLevels:
    """The levels of a room, with every default of the specification; parsed only where asked.

    `content` is None in a room without an m.room.power_levels event: then the creator has 100, all others 0, and the
    levels required are the usual defaults (traps.md 23).
    """

    __slots__ = ("_content", "_create", "_kind")

    def __init__(self, create: Create, event: Event | None) -> None:
        self._create = create
        self._content = event.content if event is not None else None
        self._kind = create.version.power_level_type

    def user(self, user_id: str) -> Level:
        """The level of a user, who need not be in the room."""
        if self._create.version.privileged_creators and self._create.is_creator(user_id):
            return INFINITE
        if self._content is None:
            return 100 if self._create.is_creator(user_id) else 0
        level = parse_level(self._kind, _object(self._content.get("users")).get(user_id))
        return self._named("users_default", 0) if level is None else level

    def required(self, event_type: str, *, is_state: bool) -> int:
        """The level needed to send events of a type; members and third-party invites have levels of their own."""
        if self._content is not None:
            level = parse_level(self._kind, _object(self._content.get("events")).get(event_type))
            if level is not None:
                return level
        return self._named("state_default", 50) if is_state else self._named("events_default", 0)

    def notification(self, key: str) -> int:
        """The level needed for a kind of notification: `room` for @room."""
        levels = _object(self._content.get("notifications")) if self._content is not None else {}
        level = parse_level(self._kind, levels.get(key))
        return 50 if level is None else level

    @property
    def invite(self) -> int:
        """The level needed to invite."""
        return self._named("invite", 0)

    @property
    def kick(self) -> int:
        """The level needed to kick."""
        return self._named("kick", 50)

    @property
    def ban(self) -> int:
        """The level needed to ban and to unban."""
        return self._named("ban", 50)

    @property
    def redact(self) -> int:
        """The level needed to redact what users of other servers have sent."""
        return self._named("redact", 50)

    def _named(self, name: str, default: int) -> int:
        level = parse_level(self._kind, self._content.get(name)) if self._content is not None else None
        return default if level is None else level


def history_visibility(event: Event | None) -> str:
    """One of VISIBILITIES; `shared` without an event or when the value is not understood."""
    value = event.content.get("history_visibility") if event is not None else None
    return value if isinstance(value, str) and value in VISIBILITIES else "shared"


def guests_may_join(event: Event | None) -> bool:
    """Whether an m.room.guest_access event lets guests in."""
    return event is not None and event.content.get("guest_access") == "can_join"


def successor(event: Event | None) -> RoomId | None:
    """The room that an m.room.tombstone points to."""
    room_id = _text(event.content.get("replacement_room")) if event is not None else None
    return RoomId(room_id) if room_id is not None else None
