"""How a room gets a new event: prepare outside, then compare-and-append in one short transaction.

The room's current state is all that is compared. In one process the room's lock keeps its events in a straight line;
two processes may make a small fork with the same state, which the next event joins; only changes of state race, and the
one that loses is prepared again.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from oriz_matrix.protocol.authorization import auth_keys
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import Forbidden, Unavailable
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.stripped_state import shown_events, shown_keys, strip
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import access, redact, unread
from oriz_matrix.services.rooms.prepare import Draft, Prepare
from oriz_matrix.storage import append, rooms, transactions
from oriz_matrix.storage.append import NewEvent
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate, RoomMoved
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

RACES = 10


class Snapshot(NamedTuple):
    """A room as an event is prepared against it: `state` authorizes it, `redacts` is the event that it redacts."""

    name: RoomName
    room: Room
    state: Mapping[StateKey, Event]
    redacts: EventNid | None


def snapshot(tx: Transaction, room_id: RoomId, draft: Draft) -> Snapshot | EventId:
    """Everything that is needed to prepare one event, or the id of the event that exists already in its place.

    That is the event which the same transaction id made before, or a state event that says the same.
    """
    if draft.transaction is not None and (earlier := transactions.find(tx, draft.transaction)) is not None:
        return earlier
    name = rooms.find(tx, room_id)
    if name is None:
        raise Forbidden("You are not in this room, or it does not exist")
    room = rooms.get(tx, [name.nid])[name.nid]
    keys = [CREATE, POWER_LEVELS, *auth_keys(draft.type, draft.sender, draft.state_key, draft.content, name.version)]
    if draft.state_key is not None:
        keys.append((draft.type, draft.state_key))
    if is_invite(draft.type, draft.content):
        keys += shown_keys(draft.sender)
    state = access.current(tx, room, list(dict.fromkeys(keys)))
    if (present := _unchanged(state, draft)) is not None:
        return present.event_id
    redacts = None if draft.redacts is None else redact.target(tx, room, state, draft.redacts, draft.sender)
    return Snapshot(name, room, state, redacts)


class Append:
    """Appends events of local users to rooms."""

    def __init__(self, db: Database, changes: Changes, prepare: Prepare, count: Callable[[], None]) -> None:
        """`count` is called for each event that was appended."""
        self._db = db
        self._changes = changes
        self._prepare = prepare
        self._count = count
        self._locks: WeakValueDictionary[RoomId, asyncio.Lock] = WeakValueDictionary()

    async def local(self, room_id: RoomId, draft: Draft) -> EventId:
        """Appends one event; its id. Raises Forbidden when the room's rules refuse it, and what makes it malformed.

        What was sent already is not sent again: see `snapshot`.
        """
        lock = self._locks.setdefault(room_id, asyncio.Lock())
        async with lock:
            for _ in range(RACES):
                seen = await self._db.read(snapshot, room_id, draft)
                if not isinstance(seen, Snapshot):
                    return seen
                new = self._new(seen, draft)
                try:
                    await self._db.write(append.append, seen.name.nid, seen.room.current, [new])
                except (RoomMoved, Duplicate):
                    continue
                self._changes.poke()
                self._count()
                return new.event.event_id
        raise Unavailable("The room changes too fast, try again")

    def _new(self, seen: Snapshot, draft: Draft) -> NewEvent:
        name, room, state, redacts = seen
        event = self._prepare.event(name.version, name.room_id, room.extremities, state, draft)
        return unread.weigh(event, room.joined, state, self._prepare.server_name)._replace(
            transaction=draft.transaction, redacts=redacts, invite_state=invite_state(event, state)
        )


def is_invite(event_type: str, content: Mapping[str, Any]) -> bool:
    """Whether this is an invite, which shows a part of the room to who is invited."""
    return event_type == "m.room.member" and content.get("membership") == "invite"


def invite_state(event: Event, state: Mapping[StateKey, Event]) -> bytes | None:
    """The stripped state that goes with an invite, itself included; None for other events."""
    if not is_invite(event.type, event.content):
        return None
    return encode([strip(shown) for shown in [*shown_events(state, event.sender), event]])


def _unchanged(state: Mapping[StateKey, Event], draft: Draft) -> Event | None:
    """The present state event that says the same already, by the same user."""
    if draft.state_key is None:
        return None
    present = state.get((draft.type, draft.state_key))
    if present is None or present.sender != draft.sender or present.content != draft.content:
        return None
    return present
