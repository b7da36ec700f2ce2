"""What a room shows of itself to who is not in it: entries of room lists, of spaces' hierarchies, room summaries.

`summarise` makes one from a room's state. The `received_...` functions read what another server says of its rooms: each
value is checked by itself, what has not its type is left out, and nothing that is not named here is passed on.
Source: client-server API, "Published room directory", "Room Summaries", "Spaces"; server-server API, "Spaces".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from oriz_matrix.protocol.canonical import MAX_INTEGER
from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.event_contents import (
    CREATE,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    Create,
    JoinRules,
    guests_may_join,
    history_visibility,
)
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import (
    RoomAlias,
    RoomId,
    ServerName,
    UserId,
    is_server_name,
    parse_room_alias,
    parse_room_id,
    parse_user_id,
)
from oriz_matrix.protocol.profile_fields import is_mxc

SPACE: Final = "m.space"
CHILD: Final = "m.space.child"

NAME: Final[StateKey] = ("m.room.name", "")
TOPIC: Final[StateKey] = ("m.room.topic", "")
AVATAR: Final[StateKey] = ("m.room.avatar", "")
CANONICAL_ALIAS: Final[StateKey] = ("m.room.canonical_alias", "")
GUEST_ACCESS: Final[StateKey] = ("m.room.guest_access", "")
ENCRYPTION: Final[StateKey] = ("m.room.encryption", "")

SUMMARY_KEYS: Sequence[StateKey] = (
    CREATE,
    JOIN_RULES,
    HISTORY_VISIBILITY,
    NAME,
    TOPIC,
    AVATAR,
    CANONICAL_ALIAS,
    GUEST_ACCESS,
    ENCRYPTION,
)
"""What of a room's state a summary is made from."""

RESTRICTED: Final = frozenset({"restricted", "knock_restricted"})
MOST_CHILDREN = 1000
MOST_SERVERS = 20
"""How many servers are taken of a list that somebody else has made: nobody tries more of them."""
MOST_ROOMS_ALLOWED = 100
LONGEST_ORDER = 50


class PublishedRoom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of a room list."""

    room_id: RoomId
    num_joined_members: int
    world_readable: bool
    guest_can_join: bool
    join_rule: str | None = None
    name: str | None = None
    topic: str | None = None
    avatar_url: str | None = None
    canonical_alias: RoomAlias | None = None
    room_type: str | None = None


class RoomSummary(PublishedRoom, frozen=True, kw_only=True, omit_defaults=True):
    """A room's summary. allowed_room_ids: whose members may join by a restricted rule."""

    allowed_room_ids: tuple[RoomId, ...] = ()
    encryption: str | None = None
    room_version: str | None = None

    @property
    def published(self) -> PublishedRoom:
        """What of it stands in a room list."""
        return PublishedRoom(**{name: getattr(self, name) for name in PublishedRoom.__struct_fields__})


class ChildLink(msgspec.Struct, frozen=True, kw_only=True):
    """An m.space.child event in stripped form; its state key is the child's room id."""

    type: str
    state_key: RoomId
    sender: UserId
    content: dict[str, Any]
    origin_server_ts: int

    @property
    def via(self) -> list[ServerName]:
        """The servers through which the child can be reached."""
        return received_servers(self.content.get("via"))

    @property
    def suggested(self) -> bool:
        """Whether the space recommends the child."""
        return self.content.get("suggested") is True

    @property
    def place(self) -> tuple[bool, str, int, str]:
        """Where the child stands among the others ("Ordering of children within a space")."""
        order = self.content.get("order")
        if not isinstance(order, str) or len(order) > LONGEST_ORDER or not all(" " <= sign <= "~" for sign in order):
            return (True, "", self.origin_server_ts, self.state_key)
        return (False, order, self.origin_server_ts, self.state_key)


class HierarchyRoom(RoomSummary, frozen=True, kw_only=True, omit_defaults=True):
    """A room of a hierarchy, with its children where it is a space."""

    children_state: Sequence[ChildLink]


class Hierarchy(msgspec.Struct, frozen=True):
    """One level of a space tree, as servers tell each other."""

    room: HierarchyRoom
    children: Sequence[RoomSummary]
    inaccessible_children: Sequence[RoomId]


class RoomList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of a room list."""

    chunk: Sequence[PublishedRoom]
    next_batch: str | None = None
    prev_batch: str | None = None
    total_room_count_estimate: int | None = None


def summarise(room_id: RoomId, joined: int, state: Mapping[StateKey, Event]) -> RoomSummary:
    """The summary of a room with so many members; `state` holds its create event and of SUMMARY_KEYS what there is."""
    create, rules = Create(state[CREATE]), JoinRules(state.get(JOIN_RULES))
    contents = {key: state[key].content for key in SUMMARY_KEYS if key in state}
    return RoomSummary(
        room_id=room_id,
        num_joined_members=joined,
        world_readable=history_visibility(state.get(HISTORY_VISIBILITY)) == "world_readable",
        guest_can_join=guests_may_join(state.get(GUEST_ACCESS)),
        join_rule=rules.rule,
        name=_text(contents.get(NAME, {}).get("name")),
        topic=_topic(contents.get(TOPIC, {})),
        avatar_url=_text(contents.get(AVATAR, {}).get("url")),
        canonical_alias=_alias(contents.get(CANONICAL_ALIAS, {}).get("alias")),
        room_type=create.room_type,
        allowed_room_ids=_room_ids(rules.allowed_rooms) if rules.rule in RESTRICTED else (),
        encryption=_text(contents.get(ENCRYPTION, {}).get("algorithm")),
        room_version=create.version.name,
    )


def with_children(summary: RoomSummary, children: Sequence[ChildLink]) -> HierarchyRoom:
    """The room in a hierarchy."""
    fields = {name: getattr(summary, name) for name in RoomSummary.__struct_fields__}
    return HierarchyRoom(**fields, children_state=children)


def child_link(event: Event) -> ChildLink | None:
    """What a state event says of a child; None for one that leads to no room."""
    _, state_key = event.key
    if not received_servers(event.content.get("via")):
        return None
    return received_child({**event.pdu, "state_key": state_key, "content": dict(event.content)}, whole=True)


def received_child(entry: object, *, whole: bool = False) -> ChildLink | None:
    """A child as a server tells of it; None for what is none. `whole`: with all that the content holds."""
    if not isinstance(entry, Mapping) or entry.get("type") != CHILD or not isinstance(entry.get("content"), Mapping):
        return None
    content, sent = dict(entry["content"]), entry.get("origin_server_ts")
    servers = received_servers(content.get("via"))
    try:
        room_id = parse_room_id(entry.get("state_key"), "state_key")
        sender = parse_user_id(entry.get("sender"), "sender")
    except InvalidParam:
        return None
    if not servers or type(sent) is not int or abs(sent) > MAX_INTEGER:
        return None
    kept = content if whole else {"via": servers, **_typed(content, {"order": str, "suggested": bool})}
    return ChildLink(type=CHILD, state_key=room_id, sender=sender, content=kept, origin_server_ts=sent)


def received_summary(entry: object) -> RoomSummary | None:
    """A summary as a server tells it; None for what has no room id."""
    if not isinstance(entry, Mapping):
        return None
    try:
        room_id = parse_room_id(entry.get("room_id"), "room_id")
    except InvalidParam:
        return None
    picture = _text(entry.get("avatar_url"))
    return RoomSummary(
        room_id=room_id,
        num_joined_members=_count(entry.get("num_joined_members")) or 0,
        world_readable=entry.get("world_readable") is True,
        guest_can_join=entry.get("guest_can_join") is True,
        avatar_url=picture if picture is not None and is_mxc(picture) else None,
        canonical_alias=_alias(entry.get("canonical_alias")),
        allowed_room_ids=_room_ids(entry.get("allowed_room_ids")),
        **{name: _text(entry.get(name)) for name in _TEXTS},
    )


_TEXTS = ("join_rule", "name", "topic", "room_type", "encryption", "room_version")


def received_hierarchy(content: Mapping[str, Any], room_id: RoomId) -> Hierarchy:
    """The answer of GET /hierarchy of another server. Raises InvalidParam where it does not tell of this room."""
    entry = content.get("room")
    room = received_summary(entry)
    if room is None or room.room_id != room_id or not isinstance(entry, Mapping):
        raise InvalidParam("room: another room, or none")
    links = [link for each in _list(entry.get("children_state")) if (link := received_child(each)) is not None]
    wanted = {link.state_key for link in links}
    told = [child for each in _list(content.get("children")) if (child := received_summary(each)) is not None]
    hidden = _room_ids(content.get("inaccessible_children"), MOST_CHILDREN)
    return Hierarchy(
        with_children(room, links),
        [child for child in told if child.room_id in wanted],
        [child for child in hidden if child in wanted],
    )


def received_rooms(content: Mapping[str, Any]) -> RoomList:
    """The answer of /publicRooms of another server."""
    chunk = [room.published for each in _list(content.get("chunk")) if (room := received_summary(each)) is not None]
    return RoomList(
        chunk=chunk,
        next_batch=_text(content.get("next_batch")),
        prev_batch=_text(content.get("prev_batch")),
        total_room_count_estimate=_count(content.get("total_room_count_estimate")),
    )


def received_servers(value: object) -> list[ServerName]:
    """The server names in a list."""
    names = [ServerName(name) for name in _list(value) if isinstance(name, str) and is_server_name(name)]
    return list(dict.fromkeys(names))[:MOST_SERVERS]


def _topic(content: Mapping[str, Any]) -> str | None:
    """The plain text of a topic, in the newer form (MSC3765) or the older."""
    newer = content.get("m.topic")
    for each in _list(newer.get("m.text")) if isinstance(newer, Mapping) else ():
        if isinstance(each, Mapping) and each.get("mimetype", "text/plain") == "text/plain":
            return _text(each.get("body"))
    return _text(content.get("topic"))


def _typed(content: Mapping[str, Any], types: Mapping[str, type]) -> dict[str, Any]:
    return {name: content[name] for name, kind in types.items() if type(content.get(name)) is kind}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: object) -> list[Any]:
    return value[:MOST_CHILDREN] if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def _alias(value: object) -> RoomAlias | None:
    try:
        return parse_room_alias(value, "canonical_alias")
    except InvalidParam:
        return None


def _room_ids(value: object, most: int = MOST_ROOMS_ALLOWED) -> tuple[RoomId, ...]:
    found = []
    for each in value[:most] if isinstance(value, list | tuple) else ():
        try:
            found.append(parse_room_id(each, "room_id"))
        except InvalidParam:
            continue
    return tuple(found)
