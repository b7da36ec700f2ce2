"""Memberships of users here in rooms that only other servers are in: joins, knocks, invites, and their ends.

The state that a join brings is hostile input: each event of it is checked as any event is, and the join must be allowed
by what is left (traps.md 42). Server-server API, "Joining Rooms", "Inviting to a room".
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import structlog

from oriz_matrix.protocol.authorization import auth_keys_of, check_with_state
from oriz_matrix.protocol.errors import BadGateway, Forbidden, MatrixError
from oriz_matrix.protocol.event_builder import EventBuilder
from oriz_matrix.protocol.event_contents import CREATE, MEMBER
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.services.federation_in import ends
from oriz_matrix.services.federation_in.entering import Entering
from oriz_matrix.services.federation_in.missing import MissingEvents
from oriz_matrix.services.federation_in.receive import Receive
from oriz_matrix.services.federation_in.settle import Source
from oriz_matrix.services.federation_in.verify import Verify
from oriz_matrix.services.membership.handshakes import VOUCHER, Handshakes, Joined, Wish
from oriz_matrix.services.rooms import unread
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.prepare import Prepare
from oriz_matrix.storage import entering, events, interning, membership, outside, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.entering import Entry
from oriz_matrix.storage.errors import RoomMoved
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.outside import Shown
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

PART = 200
"""State events that one transaction writes."""

log = structlog.get_logger()


class Incoming(NamedTuple):
    """What takes events of other servers."""

    verify: Verify
    missing: MissingEvents
    receive: Receive
    entering: Entering


class Remote:
    """Changes memberships through other servers."""

    def __init__(
        self, db: Database, append: Append, prepare: Prepare, handshakes: Handshakes, incoming: Incoming
    ) -> None:
        self._db = db
        self._append = append
        self._prepare = prepare
        self._here = prepare.server_name
        self._handshakes = handshakes
        self._verify = incoming.verify
        self._missing = incoming.missing
        self._receive = incoming.receive
        self._entering = incoming.entering

    async def join(self, wish: Wish, servers: Sequence[ServerName]) -> None:
        """Joins a room through one of the servers. Raises what they say, or BadGateway."""

        async def begin(version: RoomVersion) -> None:
            await self._db.write(entering.open_room, wish.room_id, version)

        try:
            with self._entering.room(wish.room_id):
                joined = await self._handshakes.join(wish, servers, begin)
                await self._require_signed(joined.event)
                async with self._entering.turn(wish.room_id):
                    name = await self._db.write(entering.open_room, wish.room_id, joined.event.version)
                    is_in = not await self._db.read(rooms.is_here, name.nid) and await self._bring(name, joined)
            if not is_in:  # somebody from here was faster
                await self._receive.event(name, joined.event, Source(joined.server))
        finally:
            self._receive.poke(wish.room_id)

    async def _require_signed(self, join: Event) -> None:
        """A join that somebody there vouches for must bear their server's signature, or nobody else takes it."""
        if VOUCHER not in join.content:
            return
        try:
            await self._verify.event(join.pdu, join.version)
        except MatrixError as error:
            raise BadGateway(f"The other server did not sign the join: {error.message}") from None

    async def _bring(self, name: RoomName, joined: Joined) -> bool:
        """Brings the state of a room here, with the join on top; False where somebody has come in meanwhile."""
        state = await self._checked(name, joined)
        filled = await self._fill(name, list(state))
        try:
            async with self._append.turn(name.room_id):
                room, new = await self._enter(name, joined.event, state, filled)
        except RoomMoved:
            return False
        self._append.forget(name)
        self._append.appended(name, room.current, room, [new])
        return True

    async def _checked(self, name: RoomName, joined: Joined) -> dict[EventId, Event]:
        """The accepted events of the state that a server gave, all kept. Raises BadGateway where it is no use."""
        if any(_is_elsewhere(pdu, name.room_id) for pdu in (*joined.state, *joined.auth_chain)):
            raise BadGateway("The other server gave events of another room")
        state = await self._verify.events(joined.state, name.version, name.room_id)
        inside = {event.event_id for event in state}
        chain = await self._verify.events(joined.auth_chain, name.version, name.room_id)
        kept = await self._missing.keep(name, [*state, *(event for event in chain if event.event_id not in inside)])
        accepted = [
            event
            for event in state
            if event.is_state and event.event_id in kept.events and event.event_id not in kept.rejected
        ]
        by_key = {event.key: event for event in accepted}
        founding = [pdu for pdu in joined.state if isinstance(pdu, dict) and pdu.get("type") == CREATE[0]]
        if len(by_key) < len(accepted) or len(founding) != 1 or CREATE not in by_key:
            raise BadGateway("The other server gave a state that cannot be")
        try:
            keys = [CREATE, *auth_keys_of(joined.event)]
            check_with_state(joined.event, {key: by_key[key] for key in keys if key in by_key})
        except Forbidden as error:
            raise BadGateway(f"The other server gave a state that does not allow the join: {error.message}") from None
        return {event.event_id: event for event in accepted}

    async def _fill(self, name: RoomName, state: Sequence[EventId]) -> Position | None:
        """Writes the state of a room that was not known, in parts, so that nobody waits long for the database."""
        position = await self._db.write(entering.begin, name)
        if position is not None:
            for start in range(0, len(state), PART):
                await self._db.write(_fill, name, position, state[start : start + PART])
        return position

    async def _enter(
        self, name: RoomName, event: Event, state: Mapping[EventId, Event], filled: Position | None
    ) -> tuple[Room, NewEvent]:
        by_key = {one.key: one for one in state.values()}
        new = unread.weigh(event, 0, by_key, self._here)._replace(goes_out=False)
        return await self._db.write(_enter, name, list(state), Entry((), new, self._here, filled)), new

    async def knock(self, wish: Wish, servers: Sequence[ServerName]) -> None:
        """Knocks at a room through one of the servers."""
        knocked = await self._handshakes.knock(wish, servers)
        await self._outside(knocked.event, Shown(knocked.server, knocked.shown))

    async def leave(self, wish: Wish, servers: Sequence[ServerName]) -> None:
        """Turns an invite down, or takes a knock back; where no server takes it, for this one alone."""
        last = await self._db.read(_last, wish)
        if last is None:
            raise Forbidden("You are not in this room")
        asked = [last.server, *servers] if last.server is not None else servers
        try:
            event = await self._handshakes.leave(wish, asked)
        except MatrixError as error:
            log.info("a membership ends without the room's servers", room=wish.room_id, reason=error.message)
            event = self._alone(wish, last.event)
        await self._outside(event, None)

    def _alone(self, wish: Wish, last: Event) -> Event:
        """A leave that nobody else has seen."""
        return EventBuilder(
            version=last.version,
            room_id=wish.room_id,
            sender=wish.user_id,
            type=MEMBER,
            content={**wish.content, "membership": "leave"},
            state_key=wish.user_id,
            prev_event_ids=[last.event_id],
            auth_event_ids=[last.event_id],
            depth=last.depth + 1,
            origin_server_ts=self._prepare.now_ms(),
        ).build(self._here, self._prepare.key)

    async def _outside(self, event: Event, shown: Shown | None) -> None:
        name = await self._db.write(entering.open_room, event.room_id, event.version)
        await self._db.write(outside.set_membership, name.nid, event, shown)
        self._append.poke()

    async def invited(self, event: Event, shown: Shown) -> None:
        """A user here was invited to a room; where this server is in it, the event comes as all others do."""
        name = await self._db.write(entering.open_room, event.room_id, event.version)
        if not await self._db.read(rooms.is_here, name.nid):
            await self._outside(event, shown)


def _fill(tx: Transaction, name: RoomName, position: Position, state: Collection[EventId]) -> None:
    entering.fill(tx, name, position, list(events.find(tx, state).values()))


def _enter(tx: Transaction, name: RoomName, state: Collection[EventId], entry: Entry) -> Room:
    user = interning.user(tx, UserId(entry.join.event.key[1]))
    outside.forget_shown(tx, user, name.nid)
    room = entering.enter(tx, name, entry._replace(state=list(events.find(tx, state).values())))
    ends.follow(tx, name.nid, entry.join.event.prev_event_ids, near=state)
    return room


def _is_elsewhere(pdu: object, room_id: RoomId) -> bool:
    """Whether an event says to be of another room."""
    return isinstance(pdu, dict) and pdu.get("room_id", room_id) != room_id


class _Last(NamedTuple):
    """The event of a user's invite or knock, and the server through which it came about."""

    event: Event
    server: ServerName | None


def _last(tx: Transaction, wish: Wish) -> _Last | None:
    name, user = rooms.find(tx, wish.room_id), interning.find_user(tx, wish.user_id)
    now = membership.now(tx, user, name.nid) if name is not None and user is not None else None
    if name is None or now is None or now.membership not in ("invite", "knock"):
        return None
    return _Last(events.load(tx, [now.event])[now.event], outside.server(tx, now.user, name.nid))
