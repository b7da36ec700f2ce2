"""What rooms show of themselves from outside, and who may see that: users of this server, and other servers.

Only rooms that this server takes part in are known well enough. Source: client-server API, GET /hierarchy, "Room
Summaries"; server-server API, GET /hierarchy.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.event_contents import CREATE, JOIN_RULES, Create, JoinRules
from oriz_matrix.protocol.identifiers import RoomId, ServerName, domain_of
from oriz_matrix.protocol.room_summaries import (
    CHILD,
    MOST_CHILDREN,
    RESTRICTED,
    SPACE,
    SUMMARY_KEYS,
    ChildLink,
    HierarchyRoom,
    RoomSummary,
    child_link,
    summarise,
    with_children,
)
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.storage import directory, events, interning, membership, room_state, rooms, servers
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, Position, RoomNid, UserNid

KNOCKABLE = frozenset({"knock", "knock_restricted"})


class Overview(NamedTuple):
    """A room from outside. joining: its join rule, as far as its version knows that; home: its creator's server."""

    room: Room
    summary: RoomSummary
    joining: str
    home: ServerName
    federates: bool

    @property
    def is_open(self) -> bool:
        """Whether everybody may join it, ask to be let in, or read it."""
        return self.joining == "public" or self.joining in KNOCKABLE or self.summary.world_readable

    @property
    def may_be_listed(self) -> bool:
        """Whether an entry in the directory is of use to anybody who is not in the room."""
        return self.is_open or self.joining in RESTRICTED

    def admits(self, server: ServerName) -> bool:
        """Whether users of a server can be in it at all."""
        return self.federates or server == self.home


def overviews(tx: Transaction, nids: Sequence[RoomNid]) -> dict[RoomNid, Overview]:
    """Several rooms from outside, without those that this server does not take part in."""
    found = {nid: room for nid, room in rooms.get(tx, nids).items() if _is_here(room)}
    numbers = interning.find_state_keys(tx, SUMMARY_KEYS)
    names = {nid: key for key, nid in numbers.items()}
    states = room_state.keys_each(tx, [room.current for room in found.values()], list(names))
    bodies = events.effective(tx, [event for state in states.values() for event in state.values()])
    made = {}
    for nid, room in found.items():
        state = {names[key]: bodies[event] for key, event in states[room.current.branch].items()}
        if CREATE in state:
            name, create = rooms.name(tx, nid), Create(state[CREATE])
            summary = summarise(name.room_id, room.joined, state)
            rule = _joining(JoinRules(state.get(JOIN_RULES)).rule, name.version)
            made[nid] = Overview(room, summary, rule, domain_of(create.sender), create.federates)
    return made


def overview(tx: Transaction, room_id: RoomId) -> Overview | None:
    """One room from outside; None where this server does not take part in it."""
    name = rooms.find(tx, room_id)
    return None if name is None else overviews(tx, [name.nid]).get(name.nid)


def known(tx: Transaction, room_ids: Sequence[RoomId]) -> dict[RoomId, Overview]:
    """The same of several rooms by their ids."""
    return {each.summary.room_id: each for each in overviews(tx, list(directory.known(tx, room_ids).values())).values()}


def in_hierarchy(tx: Transaction, seen: Overview, *, suggested_only: bool) -> HierarchyRoom:
    """A room with its children in their order, where it is a space."""
    if seen.summary.room_type != SPACE:
        return with_children(seen.summary, ())
    state = room_state.at_type(tx, seen.room.current, CHILD)
    bodies = events.effective(tx, list(state.values())).values()
    links = [link for event in bodies if (link := child_link(event)) is not None]
    return with_children(seen.summary, in_order(links, suggested_only=suggested_only)[:MOST_CHILDREN])


def in_order(links: Iterable[ChildLink], *, suggested_only: bool) -> list[ChildLink]:
    """Children in the order in which a space shows them."""
    return sorted((link for link in links if link.suggested or not suggested_only), key=lambda link: link.place)


def is_seen_by_user(tx: Transaction, seen: Overview, user: UserNid | None) -> bool:
    """Whether a user (None: anybody) is in a room, may read it, or may come in or ask to be let in."""
    now = None if user is None else membership.now(tx, user, seen.room.nid)
    if seen.summary.world_readable or (now is not None and now.membership in ("join", "invite")):
        return True
    if now is not None and now.membership == "ban":
        return False
    return seen.is_open or (seen.joining in RESTRICTED and _is_in_any(tx, user, seen.summary.allowed_room_ids))


def is_told_of(tx: Transaction, summary: RoomSummary, user: UserNid) -> bool:
    """The same of a room that only another server tells of; what is known here of the user comes first."""
    name = rooms.find(tx, summary.room_id)
    now = None if name is None else membership.now(tx, user, name.nid)
    if summary.world_readable or (now is not None and now.membership in ("join", "invite")):
        return True
    if now is not None and now.membership == "ban":
        return False
    rule = summary.join_rule or "public"  # what an entry without one means
    return rule == "public" or rule in KNOCKABLE or _is_in_any(tx, user, summary.allowed_room_ids)


def is_seen_by_server(tx: Transaction, seen: Overview, server: ServerName) -> bool:
    """Whether users of another server are in a room, may read it, or may come in or ask to be let in."""
    if not seen.admits(server):
        return seen.summary.world_readable
    if seen.is_open or servers.is_in(tx, seen.room.nid, server) or _has_invited(tx, seen.room, server):
        return True
    if seen.joining not in RESTRICTED:
        return False
    allowed = directory.known(tx, seen.summary.allowed_room_ids).values()
    return any(servers.is_in(tx, room, server) for room in allowed)


def _is_here(room: Room) -> bool:
    """Whether this server knows the room as it is now: somebody here is in it, or nobody anywhere."""
    return room.is_here or room.joined == 0


def _joining(rule: str, version: RoomVersion) -> str:
    """The join rule, or `invite` where the room's version does not know it."""
    known_by = {
        "knock": version.knock,
        "restricted": version.restricted,
        "knock_restricted": version.knock_restricted,
    }
    return rule if known_by.get(rule, True) else "invite"


def _is_in_any(tx: Transaction, user: UserNid | None, room_ids: Sequence[RoomId]) -> bool:
    if user is None or not room_ids:
        return False
    return any(
        (now := membership.now(tx, user, room)) is not None and now.membership == "join"
        for room in directory.known(tx, room_ids).values()
    )


def _has_invited(tx: Transaction, room: Room, server: ServerName) -> bool:
    if not room.invited:
        return False
    invited = membership.members(tx, room.nid, "invite", Position(FOREVER - 1))
    return any(domain_of(user_id) == server for user_id in interning.user_ids(tx, invited).values())
