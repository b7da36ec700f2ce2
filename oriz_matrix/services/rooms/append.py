"""How a room gets a new event: prepare outside, then compare-and-append in one short transaction.

The room's current state is all that is compared. In one process the room's lock keeps its events in a straight line;
two processes may make a small fork with the same state, which the next event joins; only changes of state race, and the
one that loses is prepared again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from oriz_matrix.protocol.authorization import auth_keys
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import Forbidden, MatrixError, Unavailable
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.protocol.stripped_state import shown_events, shown_keys, strip
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import access, redact, unread
from oriz_matrix.services.rooms.known import Known, Snapshot
from oriz_matrix.services.rooms.prepare import Draft, Prepare
from oriz_matrix.storage import append, rooms, transactions
from oriz_matrix.storage.append import NewEvent
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate, RoomMoved
from oriz_matrix.storage.transaction import Transaction

RACES = 10


def needed_keys(draft: Draft, version: RoomVersion) -> list[StateKey]:
    """What of the current state is needed to prepare an event."""
    keys = [CREATE, POWER_LEVELS, *auth_keys(draft.type, draft.sender, draft.state_key, draft.content, version)]
    if draft.state_key is not None:
        keys.append((draft.type, draft.state_key))
    if shows_room(draft.type, draft.content):
        keys += shown_keys(draft.sender)
    return list(dict.fromkeys(keys))


def snapshot(tx: Transaction, room_id: RoomId, draft: Draft) -> Snapshot | EventId:
    """Everything that is needed to prepare one event, or the id of the one that the transaction id made before."""
    if draft.transaction is not None and (earlier := transactions.find(tx, draft.transaction)) is not None:
        return earlier
    name = rooms.find(tx, room_id)
    if name is None:
        raise Forbidden("You are not in this room, or it does not exist")
    room = rooms.get(tx, [name.nid])[name.nid]
    state = access.current(tx, room, needed_keys(draft, name.version))
    redacts = None if draft.redacts is None else redact.target(tx, room, state, draft.redacts, draft.sender)
    return Snapshot(name, room, state, redacts)


class Append:
    """Appends events of local users to rooms."""

    def __init__(
        self, db: Database, changes: Changes, prepare: Prepare, known: Known, count: Callable[[], None]
    ) -> None:
        """`count` is called for each event that was appended."""
        self._db = db
        self._changes = changes
        self._prepare = prepare
        self._known = known
        self._count = count
        self._locks: WeakValueDictionary[RoomId, asyncio.Lock] = WeakValueDictionary()

    async def local(self, room_id: RoomId, draft: Draft) -> EventId:
        """Appends one event; its id. Raises Forbidden when the room's rules refuse it, and what makes it malformed.

        What was sent already is not sent again: a repeated transaction id, or state that says the same as the present.
        """
        lock = self._locks.setdefault(room_id, asyncio.Lock())
        async with lock:
            if (guess := self._guess(room_id, draft)) is not None:
                with suppress(RoomMoved, Duplicate, MatrixError):
                    return await self._append(guess, draft)
            for _ in range(RACES):
                seen = await self._db.read(snapshot, room_id, draft)
                if not isinstance(seen, Snapshot):
                    return seen
                self._known.learn(seen, needed_keys(draft, seen.name.version))
                with suppress(RoomMoved, Duplicate):
                    return await self._append(seen, draft)
        raise Unavailable("The room changes too fast, try again")

    def _guess(self, room_id: RoomId, draft: Draft) -> Snapshot | None:
        """The room as this process saw it last, where that is enough to prepare the event."""
        version = self._known.version(room_id)
        if version is None or draft.redacts is not None:
            return None
        guess = self._known.recall(room_id, needed_keys(draft, version))
        return None if guess is None or _unchanged(guess.state, draft) else guess

    async def _append(self, seen: Snapshot, draft: Draft) -> EventId:
        new = self._new(seen, draft)
        if (present := _unchanged(seen.state, draft)) is not None:
            return present.event_id
        room_nid, current = seen.room.nid, seen.room.current
        if draft.user is not None and _is_plain(new):
            room = await self._db.write(append.message, room_nid, current, new, draft.user)
        else:
            room = await self._db.write(append.append, room_nid, current, [new])
        self._known.appended(seen.name.room_id, room, new)
        self._changes.poke()
        self._count()
        return new.event.event_id

    def _new(self, seen: Snapshot, draft: Draft) -> NewEvent:
        name, room, state, redacts = seen
        event = self._prepare.event(name.version, name.room_id, room.extremities, state, draft)
        return unread.weigh(event, room.joined, state, self._prepare.server_name)._replace(
            transaction=draft.transaction, redacts=redacts, invite_state=invite_state(event, state)
        )


def _is_plain(new: NewEvent) -> bool:
    """Whether an event changes nothing but the timeline."""
    return not (new.event.is_state or new.redacts or new.mentions or new.mentions_all)


def shows_room(event_type: str, content: Mapping[str, Any]) -> bool:
    """Whether this is an invite or a knock, which show a part of the room to somebody outside."""
    return event_type == "m.room.member" and content.get("membership") in ("invite", "knock")


def invite_state(event: Event, state: Mapping[StateKey, Event]) -> bytes | None:
    """The stripped state that goes with an invite or a knock, itself included; None for other events."""
    if not shows_room(event.type, event.content):
        return None
    return encode([strip(shown) for shown in [*shown_events(state, event.sender), event]])


def _unchanged(state: Mapping[StateKey, Event], draft: Draft) -> Event | None:
    """The present state event that says the same already, by the same user."""
    if draft.state_key is None:
        return None
    present = state.get((draft.type, draft.state_key))
    if present is None or present.sender != draft.sender or encode(present.content) != encode(draft.content):
        return None  # not compared as dictionaries: to Python true is 1
    return present
