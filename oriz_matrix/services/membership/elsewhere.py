"""What users here do in rooms that this server is not in, and whom they invite from other servers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import Forbidden, GuestAccessForbidden, NotFound
from oriz_matrix.protocol.event_contents import CREATE, MEMBER, Create
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import (
    EventId,
    RoomId,
    ServerName,
    UserId,
    domain_of,
    is_server_name,
    parse_room_alias,
    parse_room_id,
)
from oriz_matrix.protocol.stripped_state import shown_events, shown_keys
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.federation_in.receive import Receive
from oriz_matrix.services.federation_in.settle import Source
from oriz_matrix.services.membership.handshakes import Handshakes, Wish
from oriz_matrix.services.membership.inviting import Inviting
from oriz_matrix.services.membership.remote import Remote
from oriz_matrix.services.membership.seen import NotHere, member_fields
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.aliases import Aliases
from oriz_matrix.services.rooms.append import Makes
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.services.rooms.snapshot import Snapshot, snapshot
from oriz_matrix.services.rooms.summaries import Summaries
from oriz_matrix.storage import events, membership, profiles, rooms, servers
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid


class Finding(NamedTuple):
    """How rooms of other servers are found, and what is told of them."""

    aliases: Aliases
    summaries: Summaries


class Place(NamedTuple):
    """A room that somebody wants to have to do with: what they are there, and servers who are or may be in it."""

    room_id: RoomId
    membership: str | None
    servers: list[ServerName]


class Elsewhere:
    """Acts through other servers."""

    def __init__(
        self, db: Database, finding: Finding, makes: Makes, remote: Remote, handshakes: Handshakes, receive: Receive
    ) -> None:
        self._db = db
        self._aliases, self._summaries = finding
        self._prepare, self._policy = makes
        self._remote = remote
        self._handshakes = handshakes
        self._receive = receive
        self.here = makes.prepare.server_name
        self.inviting = Inviting()

    async def join(self, requester: Requester, room: str, via: Sequence[str], content: Mapping[str, Any]) -> RoomId:
        """Joins a room by id or alias through another server; its id."""
        place = await self._find(requester, room, via)
        self._check(requester, place)
        if requester.is_guest:
            summary = await self._summaries.of_room(requester, place.room_id, place.servers)
            if not summary.guest_can_join:
                raise GuestAccessForbidden("Guests may not join this room")
        wish = await self._wish(requester, place, content)
        await self._remote.join(wish, place.servers)
        return place.room_id

    async def knock(self, requester: Requester, room: str, via: Sequence[str], content: Mapping[str, Any]) -> RoomId:
        """Knocks at a room by id or alias through another server; its id."""
        place = await self._find(requester, room, via)
        self._check(requester, place)
        await self._remote.knock(await self._wish(requester, place, content), place.servers)
        return place.room_id

    async def leave(self, requester: Requester, room_id: RoomId, content: Mapping[str, Any]) -> None:
        """Ends an invite or a knock; who has left already stays as they are. Raises NotFound, Forbidden."""
        place = await self._find(requester, room_id, ())
        if place.membership in ("leave", "ban"):
            return
        if place.membership is None:
            raise NotHere
        await self._remote.leave(Wish(place.room_id, requester.user_id, content), place.servers)

    async def _find(self, requester: Requester, room: str, via: Sequence[str]) -> Place:
        """The room of an id or alias. Raises NotFound for an alias that leads nowhere, and InvalidParam."""
        named = [ServerName(server) for server in via if is_server_name(server)]
        if room.startswith("#"):
            found = await self._aliases.resolve(parse_room_alias(room, "roomIdOrAlias"))
            room_id, named = found.room_id, [*named, *found.servers]
        else:
            room_id = parse_room_id(room, "roomIdOrAlias")
        place = await self._db.read(_place, requester.user, room_id)
        known = dict.fromkeys([*named, *place.servers])
        return place._replace(servers=[server for server in known if server != self.here])

    async def invite(
        self, requester: Requester, room_id: RoomId, user_id: UserId, content: Mapping[str, Any]
    ) -> EventId:
        """Invites a user of another server, which signs the invite too; the event's id."""
        draft = Draft(sender=requester.user_id, type=MEMBER, content=content, state_key=user_id)
        return await self.send_invite(room_id, draft)

    async def send_invite(self, room_id: RoomId, draft: Draft) -> EventId:
        """The same for an invite as it will stand in the room."""
        assert draft.state_key is not None
        self.require_reach("user_id")
        seen, shown = await self._db.read(_for_invite, room_id, draft)
        event = self._prepare.event(seen.name.version, room_id, seen.room.extremities, seen.state, draft)
        if seen.policy is not None:
            event = await self._policy.signed(event, seen.policy)
        with self.inviting.of(room_id, UserId(draft.state_key)):
            event = await self._handshakes.invite(domain_of(draft.state_key), event, shown)
            await self._receive.event(seen.name, event, Source(self.here, passes_on=True))
        return event.event_id

    def require_reach(self, field: str) -> None:
        """Raises Forbidden, naming the field with users of other servers, where this one talks with no other."""
        if not self._handshakes.speaks:
            raise Forbidden(f"{field}: users of other servers cannot be invited here")

    def _check(self, requester: Requester, place: Place) -> None:
        refuse_suspended(requester)
        if not place.servers:
            raise NotHere

    async def _wish(self, requester: Requester, place: Place, content: Mapping[str, Any]) -> Wish:
        profile = await self._db.read(_profile, requester.user)
        return Wish(place.room_id, requester.user_id, {**profile, **content})


def _place(tx: Transaction, user: UserNid, room_id: RoomId) -> Place:
    name = rooms.find(tx, room_id)
    if name is None:
        return Place(room_id, None, [])
    now = membership.now(tx, user, name.nid)
    inviter = [domain_of(body.sender) for body in events.load(tx, [now.event] if now else []).values()]
    return Place(room_id, now.membership if now else None, [*inviter, *servers.in_room(tx, name.nid)])


def _for_invite(tx: Transaction, room_id: RoomId, draft: Draft) -> tuple[Snapshot, list[Event]]:
    seen = snapshot(tx, room_id, draft)
    assert isinstance(seen, Snapshot)
    if not Create(seen.state[CREATE]).federates:
        raise NotFound("user_id: the room is for users of its own server only")
    shown = shown_events(access.current(tx, seen.room, shown_keys(draft.sender)), draft.sender)
    return seen, shown


def _profile(tx: Transaction, user: UserNid) -> dict[str, object]:
    return member_fields(profiles.get(tx, user))
