"""A new room from its drafts: all events prepared one upon the other and stored in one transaction."""

from collections.abc import Callable, Sequence

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import Forbidden, InvalidRoomState, Unavailable
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import RoomId, ServerName
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import unread
from oriz_matrix.services.rooms.prepare import Draft, Prepare
from oriz_matrix.storage import append, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

ATTEMPTS = 20
"""How many ids are tried for a room."""

Settle = Callable[[Transaction, RoomNid, int], None]
"""What else is stored with a new room: called with its number and the time in milliseconds, before its events."""


class Founding:
    """Founds rooms."""

    def __init__(self, db: Database, changes: Changes, prepare: Prepare, clock: Clock, ids: Ids) -> None:
        self._db = db
        self._changes = changes
        self._prepare = prepare
        self._clock = clock
        self._ids = ids

    @property
    def server_name(self) -> ServerName:
        """The name of this server."""
        return self._prepare.server_name

    async def room(self, version: RoomVersion, drafts: Sequence[Draft], settle: Settle) -> RoomId:
        """Makes a room with all of these events, m.room.create first, or nothing; its id.

        Raises InvalidRoomState where the room's own rules refuse one of them, and what `settle` raises.
        """
        for attempt in range(ATTEMPTS):
            # In room version 12 the id is the create event's hash: two rooms of one user must differ in their time.
            now_ms = self._clock.now_ms() + attempt
            new = self._events(version, drafts, now_ms)
            try:
                await self._db.write(_store, version, new, settle, now_ms)
            except Duplicate:
                continue
            self._changes.poke()
            return new[0].event.room_id
        raise Unavailable("No free room id was found, try again")

    def _events(self, version: RoomVersion, drafts: Sequence[Draft], now_ms: int) -> list[NewEvent]:
        """The room's events, each on the one before and authorized by the state so far."""
        room_id = None
        if not version.room_id_is_create_hash:
            room_id = RoomId(f"!{self._ids.room_opaque()}:{self.server_name}")
        state: dict[StateKey, Event] = {}
        new: list[NewEvent] = []
        joined = 0
        for draft in drafts:
            ends = [(new[-1].event.event_id, new[-1].event.depth)] if new else []
            try:
                event = self._prepare.event(version, room_id, ends, state, draft.at(now_ms))
            except Forbidden as error:
                raise InvalidRoomState(f"{draft.type}: {error.message}") from None
            room_id = event.room_id
            state[event.key] = event
            joined += draft.content.get("membership") == "join"
            new.append(unread.weigh(event, joined, state, self.server_name))
        return new


def _store(tx: Transaction, version: RoomVersion, new: Sequence[NewEvent], settle: Settle, now_ms: int) -> None:
    """Writes the room, what goes with it and all its events. Raises Duplicate where the room's id is taken."""
    room = rooms.create(tx, new[0].event.room_id, version)
    settle(tx, room.nid, now_ms)
    append.append(tx, room.nid, room.current, new)
