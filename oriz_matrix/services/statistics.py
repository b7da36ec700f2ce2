"""What an operator wants to know of rooms and of the database, put together from figures and states.

Functions over one transaction, for the command line: what they return is also the JSON that it prints.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomAlias, RoomId, UserId, domain_of
from oriz_matrix.storage import aliases, arrivals, events, rooms, statistics
from oriz_matrix.storage.statistics import Figures
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, TableSize

MOST_REFUSED = 20
SUMMARIZED = (
    "m.room.canonical_alias",
    "m.room.create",
    "m.room.encryption",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.name",
    "m.room.tombstone",
    "m.room.topic",
)


class Order(Enum):
    """What the list of rooms begins with."""

    ACTIVITY = "activity"
    EVENTS = "events"
    MEMBERS = "members"
    NEWEST = "newest"


_KEYS: Mapping[Order, Callable[[Figures], int]] = {
    Order.ACTIVITY: lambda figures: figures.latest,
    Order.EVENTS: lambda figures: figures.events,
    Order.MEMBERS: lambda figures: figures.members,
    Order.NEWEST: lambda figures: figures.nid,
}


class RoomLine(msgspec.Struct, frozen=True, kw_only=True):
    """A room in a list; `last_activity` in milliseconds, `members_here` the joined users of this server."""

    room_id: RoomId
    name: str | None
    alias: str | None
    version: str
    members: int
    members_here: int
    events: int
    last_activity: int | None
    encrypted: bool


class RoomList(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the rooms, and how many there are."""

    total: int
    rooms: list[RoomLine]


class Extremity(msgspec.Struct, frozen=True):
    """An end of a room's event graph."""

    event_id: EventId
    depth: int


class RefusedEvent(msgspec.Struct, frozen=True):
    """An event that is shown to nobody: rejected or soft-failed, and why, where that is known."""

    event_id: EventId
    fate: str
    reason: str | None


class RoomReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a room at a glance.

    state: current state events by type. memberships: users by membership. servers: joined users by server.
    extremities: the ends of the event graph. refused: events of other servers that are shown to nobody, the newest
    first. rows: what the room has in each table.
    """

    room: RoomLine
    topic: str | None
    creator: UserId
    created_at: int
    federated: bool
    published: bool
    join_rule: str | None
    history_visibility: str | None
    guest_access: str | None
    replaced_by: str | None
    aliases: list[RoomAlias]
    state: dict[str, int]
    memberships: dict[str, int]
    servers: dict[str, int]
    extremities: list[Extremity]
    refused: list[RefusedEvent]
    rows: dict[str, int]
    event_bytes: int


class TableLine(msgspec.Struct, frozen=True):
    """A table; `bytes` with its indexes."""

    table: str
    rows: int
    bytes: int
    index_bytes: int


class RoomSize(msgspec.Struct, frozen=True, kw_only=True):
    """What a room takes: its share of every table."""

    room_id: RoomId
    name: str | None
    events: int
    bytes: int


class DatabaseSize(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes are; tables and rooms begin with the largest.

    free_bytes: left by what was deleted, used again by what comes. log_bytes: the write-ahead log beside the file.
    estimated: the tables were weighed instead of measured. What rooms take is always an estimate.
    """

    total_bytes: int
    free_bytes: int
    log_bytes: int
    estimated: bool
    tables: list[TableLine]
    room_count: int
    rooms: list[RoomSize]


def list_rooms(tx: Transaction, order: Order, limit: int | None) -> RoomList:
    """The first rooms in an order, the largest or latest first; all of them without a limit."""
    known = statistics.figures(tx, statistics.all_rooms(tx))
    chosen = sorted(known, key=_KEYS[order], reverse=True)[:limit]
    states = _states(tx, [room.nid for room in chosen])
    newest = _newest(tx, [room.nid for room in chosen])
    return RoomList(total=len(known), rooms=[_line(room, states, newest) for room in chosen])


def report_room(tx: Transaction, name: str) -> RoomReport | None:
    """What there is to know of the room with this id or alias."""
    nid = _find(tx, name)
    return None if nid is None else _report(tx, nid)


def _find(tx: Transaction, name: str) -> RoomNid | None:
    if name.startswith("#"):
        return aliases.find(tx, RoomAlias(name))
    found = rooms.find(tx, RoomId(name))
    return None if found is None else found.nid


def _report(tx: Transaction, nid: RoomNid) -> RoomReport:
    [figures] = statistics.figures(tx, [nid])
    states = _states(tx, [nid])
    create = states.get((nid, "m.room.create"))
    members = statistics.memberships(tx, nid)
    joined = [domain_of(user_id) for membership, user_id in members if membership == "join"]
    return RoomReport(
        room=_line(figures, states, _newest(tx, [nid])),
        topic=_text(states, nid, "m.room.topic", "topic"),
        creator=UserId("") if create is None else create.sender,
        created_at=0 if create is None else create.origin_server_ts,
        federated=create is None or create.content.get("m.federate") is not False,
        published=bool(figures.published),
        join_rule=_text(states, nid, "m.room.join_rules", "join_rule"),
        history_visibility=_text(states, nid, "m.room.history_visibility", "history_visibility"),
        guest_access=_text(states, nid, "m.room.guest_access", "guest_access"),
        replaced_by=_text(states, nid, "m.room.tombstone", "replacement_room"),
        aliases=statistics.aliases(tx, nid),
        state=statistics.state_types(tx, nid),
        memberships=_counted(membership for membership, _ in members),
        servers=_counted(joined),
        extremities=[Extremity(*each) for each in rooms.get(tx, [nid])[nid].extremities],
        refused=[
            RefusedEvent(one.event_id, "rejected" if one.rejected else "soft-failed", one.reason)
            for one in arrivals.refused(tx, nid, MOST_REFUSED)
        ],
        rows={table: rows.get(nid, 0) for table, rows in statistics.rows_of_rooms(tx, [nid]).items()},
        event_bytes=statistics.event_bytes(tx, [nid]).get(nid, 0),
    )


def measure(tx: Transaction, limit: int | None) -> DatabaseSize:
    """The size of the database, of each table, and of the largest rooms; of all rooms without a limit."""
    sizes = tx.sizes()
    known = statistics.figures(tx, statistics.all_rooms(tx))
    taken = _shares(tx, [room.nid for room in known], sizes.tables)
    chosen = sorted(known, key=lambda room: taken[room.nid], reverse=True)[:limit]
    states = _states(tx, [room.nid for room in chosen])
    return DatabaseSize(
        total_bytes=sizes.total,
        free_bytes=sizes.free,
        log_bytes=sizes.log,
        estimated=sizes.estimated,
        tables=[TableLine(*each) for each in sorted(sizes.tables, key=lambda each: each.bytes, reverse=True)],
        room_count=len(known),
        rooms=[
            RoomSize(
                room_id=room.room_id,
                name=_text(states, room.nid, "m.room.name", "name"),
                events=room.events,
                bytes=round(taken[room.nid]),
            )
            for room in chosen
        ],
    )


States = Mapping[tuple[RoomNid, str], Event]


def _shares(tx: Transaction, known: Sequence[RoomNid], tables: Iterable[TableSize]) -> dict[RoomNid, float]:
    """What each room takes: of events by the lengths of their bodies, of all other tables by the rows that are its."""
    weights = {**statistics.rows_of_rooms(tx, known), "events": statistics.event_bytes(tx, known)}
    taken = dict.fromkeys(known, 0.0)
    for table in tables:
        rows = weights.get(table.table, {})
        total = max(table.rows, sum(rows.values()))  # some rows may belong to no room
        for room, weight in rows.items():
            taken[room] += table.bytes * weight / total
    return taken


def _line(room: Figures, states: States, newest: Mapping[RoomNid, Event]) -> RoomLine:
    latest = newest.get(room.nid)
    return RoomLine(
        room_id=room.room_id,
        name=_text(states, room.nid, "m.room.name", "name"),
        alias=_text(states, room.nid, "m.room.canonical_alias", "alias"),
        version=room.version,
        members=room.members,
        members_here=room.members_here,
        events=room.events,
        last_activity=None if latest is None else latest.origin_server_ts,
        encrypted=(room.nid, "m.room.encryption") in states,
    )


def _states(tx: Transaction, nids: Sequence[RoomNid]) -> States:
    """The state events that summaries are made of, as they stand after redactions."""
    numbers = statistics.current_state(tx, nids, SUMMARIZED)
    found = events.effective(tx, list(numbers.values()))
    return {key: found[number] for key, number in numbers.items()}


def _newest(tx: Transaction, nids: Sequence[RoomNid]) -> dict[RoomNid, Event]:
    numbers = statistics.newest_events(tx, nids)
    found = events.load(tx, numbers.values())
    return {room: found[number] for room, number in numbers.items()}


def _text(states: States, room: RoomNid, kind: str, member: str) -> str | None:
    event = states.get((room, kind))
    value: Any = None if event is None else event.content.get(member)
    return value if isinstance(value, str) and value else None


def _counted(words: Iterable[str]) -> dict[str, int]:
    """How often each word comes, the most frequent first."""
    return dict(Counter(words).most_common())
