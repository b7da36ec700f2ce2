"""Users of other servers who enter and leave rooms through this one: it hands out a template, and takes the event.

Server-server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms (Rejecting Invites)", "Restricted rooms".
"""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.errors import BadJson, Forbidden, IncompatibleRoomVersion, InvalidParam, NotFound
from oriz_matrix.protocol.event_builder import countersigned
from oriz_matrix.protocol.event_contents import MEMBER, Member, member_key
from oriz_matrix.protocol.events import Event, StateKey, event_from_pdu
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId, domain_of, parse_user_id
from oriz_matrix.protocol.stripped_state import shown_events, shown_keys
from oriz_matrix.services.federation_in.receive import Receive
from oriz_matrix.services.federation_in.settle import Source
from oriz_matrix.services.federation_in.verify import Verify
from oriz_matrix.services.membership import restricted
from oriz_matrix.services.membership.inviting import Inviting
from oriz_matrix.services.membership.seen import VOUCHER
from oriz_matrix.services.rooms import access, doors, pdus
from oriz_matrix.services.rooms.prepare import Draft, Prepare
from oriz_matrix.services.rooms.snapshot import needed_keys
from oriz_matrix.storage import arrivals, authchains, events, interning, room_state, rooms, servers
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid


class Ask(NamedTuple):
    """What another server asks for: a template of this membership for one of its users, in versions that it knows."""

    origin: ServerName
    room_id: RoomId
    user_id: str
    membership: str
    versions: Collection[str] | None = None


class Handed(NamedTuple):
    """An event that another server hands over, as it says; the id is that of the path."""

    origin: ServerName
    room_id: RoomId
    event_id: str
    pdu: Mapping[str, Any]
    membership: str


class _Room(NamedTuple):
    """A room as a template is made for it; `vouches` is who lets the user in, where they need somebody."""

    name: RoomName
    room: Room
    state: Mapping[StateKey, Event]
    vouches: UserId | None


class Resident:
    """Lets users of other servers in and out. Raises NotFound for rooms that nobody here is in, and Forbidden."""

    def __init__(self, db: Database, prepare: Prepare, verify: Verify, receive: Receive, inviting: Inviting) -> None:
        self._db = db
        self._prepare = prepare
        self._verify = verify
        self._receive = receive
        self._inviting = inviting
        self._here = prepare.server_name

    async def template(self, ask: Ask) -> dict[str, Any]:
        """What /make_join and its like answer: the room's version, and an event to be completed.

        Raises IncompatibleRoomVersion, UnableToAuthoriseJoin and UnableToGrantJoin.
        """
        user_id = parse_user_id(ask.user_id, "userId")
        if domain_of(user_id) != ask.origin:
            raise Forbidden("userId: a server asks for its own users")
        await self._inviting.settled(ask.room_id, user_id)
        content: dict[str, Any] = {"membership": ask.membership}
        draft = Draft(sender=user_id, type=MEMBER, content=content, state_key=user_id)
        found = await self._db.read(_look, ask, draft, self._here)
        version = found.name.version
        if found.vouches is not None:
            content[VOUCHER] = found.vouches
        pdu = self._prepare.template(version, ask.room_id, found.room.extremities, found.state, draft)
        return {"room_version": version.name, "event": pdu}

    async def join(self, handed: Handed) -> AsyncIterator[bytes]:
        """Takes a join; the room's state before it and what authorizes that, in the form of /send_join."""
        name, event = await self._read(handed)
        event = await self._vouched(name, event)
        event = await self._take(name, handed, event)
        answer = await self._db.read(_joined, name, event)
        head: dict[str, Any] = {
            "origin": self._here,
            "members_omitted": False,
            "servers_in_room": [self._here, *answer.servers],
            "event": msgspec.Raw(answer.event.encoded),
        }
        lists = {"auth_chain": answer.auth_chain, "state": answer.state}
        return _with_head(head, pdus.in_object(self._db, lists))

    async def knock(self, handed: Handed) -> dict[str, Any]:
        """Takes a knock; what is shown of the room."""
        name, event = await self._read(handed)
        if not name.version.knock:
            raise Forbidden("The room's version knows no knocking")
        event = await self._take(name, handed, event)
        shown = await self._db.read(_shown, name, event.sender)
        return {"knock_room_state": [msgspec.Raw(one.encoded) for one in shown]}

    async def leave(self, handed: Handed) -> None:
        """Takes a leave: of who was invited, knocks or is in the room."""
        name, event = await self._read(handed)
        await self._take(name, handed, event)

    async def _read(self, handed: Handed) -> tuple[RoomName, Event]:
        """The event, if it is what the other server may hand over (traps.md 27)."""
        name = await self._db.read(_door, handed.room_id, handed.origin)
        if not _is_sealed(handed.pdu, handed.origin):
            raise Forbidden("signatures, hashes: the event is not signed by its sender's server")
        event = event_from_pdu(handed.pdu, name.version)
        if event.event_id != handed.event_id:
            raise BadJson("The event has another id than the path says")
        if event.room_id != handed.room_id:
            raise BadJson("room_id: the event is of another room")
        if event.type != MEMBER or event.state_key != event.sender:
            raise BadJson("The event is not the sender's own membership")
        if Member(event.content).membership != handed.membership:
            raise BadJson(f"membership: must be {handed.membership}")
        if domain_of(event.sender) != handed.origin:
            raise Forbidden("sender: a server hands over events of its own users")
        return name, event

    async def _vouched(self, name: RoomName, event: Event) -> Event:
        """A restricted join with this server's signature, if somebody here vouches for it."""
        voucher = Member(event.content).authorising_user
        if voucher is None or not name.version.restricted or domain_of(voucher) != self._here:
            return event
        await self._db.read(_require_voucher, name, event, self._here)
        return countersigned(event, self._here, self._prepare.key)

    async def _take(self, name: RoomName, handed: Handed, event: Event) -> Event:
        event = await self._verify.event(event.pdu, name.version)
        await self._receive.event(name, event, Source(handed.origin, passes_on=True))
        return event


def _door(tx: Transaction, room_id: RoomId, origin: ServerName) -> RoomName:
    room = doors.known(tx, room_id)
    if not room.is_here:
        raise NotFound("Nobody here is in the room")
    doors.require_allowed(tx, room, origin)
    return rooms.name(tx, room.nid)


def _look(tx: Transaction, ask: Ask, draft: Draft, here: ServerName) -> _Room:
    name = _door(tx, ask.room_id, ask.origin)
    if ask.versions is not None and name.version.name not in ask.versions:
        raise IncompatibleRoomVersion(room_version=name.version.name)
    if ask.membership == "knock" and not name.version.knock:
        raise Forbidden("The room's version knows no knocking")
    room = rooms.get(tx, [name.nid])[name.nid]
    state = access.current(tx, room, needed_keys(draft, name.version))
    vouches = None
    if ask.membership == "join" and restricted.needs_voucher(state, draft.sender):
        vouches = _voucher(tx, room, state, draft.sender, here)
        state |= access.current(tx, room, [member_key(vouches)])
    return _Room(name, room, state, vouches)


def _voucher(tx: Transaction, room: Room, state: Mapping[StateKey, Event], user_id: UserId, here: ServerName) -> UserId:
    user = interning.find_user(tx, user_id)
    found = restricted.voucher(tx, room, state, user, here) if user is not None else None
    if found is None:
        raise restricted.refusal(tx, state, user)
    return found


def _require_voucher(tx: Transaction, name: RoomName, event: Event, here: ServerName) -> None:
    """Raises where this server would not let the user in by itself."""
    room = rooms.get(tx, [name.nid])[name.nid]
    draft = Draft(sender=event.sender, type=MEMBER, content=event.content, state_key=event.sender)
    state = access.current(tx, room, needed_keys(draft, name.version))
    if restricted.needs_voucher(state, event.sender):
        _voucher(tx, room, state, event.sender, here)


class _Answer(NamedTuple):
    """A join with all its signatures, the state before it, what authorizes both, and who is in the room."""

    event: Event

    state: list[EventNid]
    auth_chain: list[EventNid]
    servers: list[ServerName]


def _is_sealed(pdu: Mapping[str, Any], server: ServerName) -> bool:
    """Whether an event says to be signed by a server, content and all; that it is so is seen when the rest is right."""
    signatures = pdu.get("signatures")
    return isinstance(signatures, dict) and bool(signatures.get(server)) and bool(pdu.get("hashes"))


def _joined(tx: Transaction, name: RoomName, event: Event) -> _Answer:
    stored = arrivals.find(tx, [event.event_id])[event.event_id]
    if stored.before is None:
        raise InvalidParam("The state before the event is not known")
    state = room_state.at(tx, stored.before).values()
    cited = events.find(tx, event.auth_event_ids).values()
    chain = {*cited, *authchains.chain(tx, {*state, *cited})}
    stands = events.load(tx, [stored.number])[stored.number]
    return _Answer(stands, sorted(state), sorted(chain), servers.in_room(tx, name.nid))


def _shown(tx: Transaction, name: RoomName, sender: UserId) -> list[Event]:
    room = rooms.get(tx, [name.nid])[name.nid]
    return shown_events(access.current(tx, room, shown_keys(sender)), sender)


async def _with_head(head: Mapping[str, Any], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """An object with some members before those of another one that comes in pieces."""
    yield msgspec.json.encode(head)[:-1] + b","
    first = True
    async for piece in rest:
        yield piece[1:] if first else piece
        first = False
