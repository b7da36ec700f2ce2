"""A room for the tests of storage: events that are linked but not signed, appended as services do it."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.storage import append, events, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, RoomNid

ALICE, BOB, CARL = (UserId(f"@{name}:example.org") for name in ("alice", "bob", "carl"))
VERSION = ROOM_VERSIONS["11"]
MESSAGE = "m.room.message"
MEMBER = "m.room.member"

_numbers = count(1)


def event(
    room_id: RoomId,
    kind: str = MESSAGE,
    sender: UserId = ALICE,
    content: Mapping[str, Any] | None = None,
    state_key: str | None = None,
    *,
    prev: Sequence[EventId] = (),
    auth: Sequence[EventId] = (),
    event_id: str | None = None,
) -> Event:
    """An event, with an id of its own in this process."""
    number = next(_numbers)
    pdu: dict[str, Any] = {
        "type": kind,
        "sender": sender,
        "content": {"body": str(number)} if content is None else content,
        "room_id": room_id,
        "depth": number,
        "origin_server_ts": number,
        "prev_events": list(prev),
        "auth_events": list(auth),
    }
    if state_key is not None:
        pdu["state_key"] = state_key
    return Event(VERSION, EventId(event_id or f"$e{number}"), room_id, pdu)


def member(room_id: RoomId, user: UserId, membership: str, **links: Any) -> Event:
    """A member event that a user sends about themselves."""
    return event(room_id, MEMBER, user, {"membership": membership}, user, **links)


class Talk:
    """One room, as one process sees it."""

    def __init__(self, db: Database, nid: RoomNid, room_id: RoomId) -> None:
        self.db = db
        self.nid = nid
        self.room_id = room_id

    async def row(self) -> Room:
        """The room row as it is now."""
        return (await self.db.read(rooms.get, [self.nid]))[self.nid]

    async def append(self, *new: NewEvent | Event) -> Room:
        """Appends events to the room as it is now."""
        items = [item if isinstance(item, NewEvent) else NewEvent(item) for item in new]
        return await self.db.write(append.append, self.nid, (await self.row()).current, items)

    async def say(self, sender: UserId = ALICE, **how: Any) -> Event:
        """Appends a message after the newest events."""
        said = event(self.room_id, sender=sender, prev=[end for end, _ in (await self.row()).extremities])
        await self.append(NewEvent(said, **how))
        return said

    async def set(self, kind: str, state_key: str = "", sender: UserId = ALICE, **content: Any) -> Event:
        """Appends a state event after the newest events."""
        ends = [end for end, _ in (await self.row()).extremities]
        new = event(self.room_id, kind, sender, content, state_key, prev=ends)
        await self.append(new)
        return new

    async def move(self, user: UserId, membership: str) -> Event:
        """Changes a membership."""
        return await self.set(MEMBER, user, user, membership=membership)

    async def number(self, which: Event) -> EventNid:
        """The number of a stored event."""
        return (await self.db.read(events.find, [which.event_id]))[which.event_id]


async def new_room(db: Database) -> Talk:
    """A room that Alice has made and joined."""
    room_id = RoomId(f"!room{next(_numbers)}:example.org")
    first = event(room_id, "m.room.create", ALICE, {"room_version": VERSION.name}, "")
    join = member(room_id, ALICE, "join", prev=[first.event_id], auth=[first.event_id])

    def make(tx: Transaction) -> RoomNid:
        made = rooms.create(tx, room_id, VERSION)
        append.append(tx, made.nid, made.current, [NewEvent(first), NewEvent(join)])
        return made.nid

    return Talk(db, await db.write(make), room_id)


async def settled(db: Database) -> Position:
    """Up to where everything is known."""
    return await db.read_settled(lambda _, position: position)
