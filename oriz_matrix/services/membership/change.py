"""Changes of membership by local users: join, leave, invite, kick, ban, unban, knock.

What is allowed is decided by the room's authorization rules when the event is appended; here stands what they do not
say.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import BadJson, Forbidden, GuestAccessForbidden, NotFound
from oriz_matrix.protocol.event_contents import guests_may_join
from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import (
    EventId,
    RoomAlias,
    RoomId,
    ServerName,
    UserId,
    domain_of,
    parse_room_alias,
    parse_room_id,
    parse_user_id,
)
from oriz_matrix.protocol.profile_fields import AVATAR_URL, DISPLAYNAME
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.membership import restricted
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import accounts, aliases, interning, membership, profiles, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

MEMBER = "m.room.member"
MEMBERSHIPS = ("join", "invite", "leave", "ban", "knock")
GUEST_ACCESS: StateKey = ("m.room.guest_access", "")
VOUCHER = "join_authorised_via_users_server"


class Seen(NamedTuple):
    """What a change of membership is decided on: the target's membership, profile, whether guests may join, and who
    vouches for the target if they want to join a restricted room."""

    membership: str | None
    profile: Mapping[str, Any]
    guests: bool
    voucher: UserId | None = None


class Membership:
    """Changes memberships of local users, and of others where a local user has the power."""

    def __init__(self, db: Database, append: Append, server_name: ServerName) -> None:
        self._db = db
        self._append = append
        self._server_name = server_name

    async def join(self, requester: Requester, room: str, reason: str | None = None) -> RoomId:
        """Joins a room by id or alias; its id. Who is in it already stays as they are."""
        room_id = await self.resolve(room)
        seen = await self._db.read(_seen, room_id, requester.user_id)
        if seen.membership == "join":
            return room_id
        content = {"membership": "join", **seen.profile, **_reason(reason)}
        await self._change(requester, room_id, requester.user_id, _joining(requester, seen, content))
        return room_id

    async def leave(self, requester: Requester, room_id: RoomId, reason: str | None = None) -> None:
        """Leaves a room, or turns down its invite; who has left already stays as they are."""
        seen = await self._db.read(_seen, room_id, requester.user_id)
        if seen.membership == "leave":
            return
        if seen.membership is None:
            raise Forbidden("You are not in this room")
        await self._change(requester, room_id, requester.user_id, {"membership": "leave", **_reason(reason)})

    async def invite(self, requester: Requester, room_id: RoomId, user: str, reason: str | None = None) -> None:
        """Invites a user."""
        target = parse_user_id(user, "user_id")
        await self._check_invitee(target)
        seen = await self._db.read(_seen, room_id, target)
        content = {"membership": "invite", **seen.profile, **_reason(reason)}
        await self._change(requester, room_id, target, content)

    async def set(self, requester: Requester, room_id: RoomId, user: str, content: Mapping[str, Any]) -> EventId:
        """What PUT /state does with a member event: the content is the client's, names are added where it has none."""
        target = parse_user_id(user, "stateKey")
        after = content.get("membership")
        if after not in MEMBERSHIPS:
            raise BadJson(f"membership: must be one of {', '.join(MEMBERSHIPS)}")
        if after == "invite":
            await self._check_invitee(target)
        if after in ("join", "invite"):
            seen = await self._db.read(_seen, room_id, target)
            content = {**seen.profile, **content}
            if after == "join":
                content = _joining(requester, seen, content)
        return await self._change(requester, room_id, target, content)

    async def dismiss_guests(self, room_id: RoomId) -> None:
        """All guests leave a room that is open to guests no longer (client-server API, "Guest Access")."""
        for guest in await self._db.read(_unwelcome_guests, room_id):
            draft = Draft(sender=guest, type=MEMBER, content={"membership": "leave"}, state_key=guest)
            await self._append.local(room_id, draft)

    async def joined(self, requester: Requester) -> list[RoomId]:
        """The rooms that the user is in."""
        return await self._db.read(_joined, requester.user)

    async def resolve(self, room: str) -> RoomId:
        """The room of an id or alias. Raises InvalidParam, and NotFound for an alias that nobody knows."""
        if room.startswith("#"):
            return await self._db.read(_of_alias, parse_room_alias(room, "roomIdOrAlias"))
        return parse_room_id(room, "roomIdOrAlias")

    async def _check_invitee(self, target: UserId) -> None:
        if domain_of(target) != self._server_name:
            raise Forbidden("user_id: users of other servers cannot be invited here")
        if not await self._db.read(_has_account, target):
            raise NotFound("user_id: there is no such user")

    async def _change(
        self, requester: Requester, room_id: RoomId, target: UserId, content: Mapping[str, Any]
    ) -> EventId:
        if target != requester.user_id or content["membership"] != "leave":
            refuse_suspended(requester)
        draft = Draft(sender=requester.user_id, type=MEMBER, content=content, state_key=target)
        return await self._append.local(room_id, draft)


def _seen(tx: Transaction, room_id: RoomId, target: UserId) -> Seen:
    name = rooms.find(tx, room_id)
    if name is None:
        raise NotFound("There is no such room on this server")
    nid = interning.find_user(tx, target)
    if nid is None:
        return Seen(None, {}, guests=False)
    now = membership.now(tx, nid, name.nid)
    room = rooms.get(tx, [name.nid])[name.nid]
    guest_access = access.current(tx, room, [GUEST_ACCESS]).get(GUEST_ACCESS)
    return Seen(
        now.membership if now else None,
        member_fields(profiles.get(tx, nid)),
        guests_may_join(guest_access),
        restricted.voucher(tx, room, nid, target),
    )


def _joining(requester: Requester, seen: Seen, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a join; who vouches for it is this server's word and never the client's. Raises Forbidden."""
    if requester.is_guest and seen.membership != "join" and not seen.guests:
        raise GuestAccessForbidden("Guests may not join this room")
    own = {name: value for name, value in content.items() if name != VOUCHER}
    return own if seen.voucher is None else {**own, VOUCHER: seen.voucher}


def _unwelcome_guests(tx: Transaction, room_id: RoomId) -> list[UserId]:
    name = rooms.find(tx, room_id)
    if name is None:
        return []
    guest_access = access.current(tx, rooms.get(tx, [name.nid])[name.nid], [GUEST_ACCESS]).get(GUEST_ACCESS)
    return [] if guests_may_join(guest_access) else membership.guests(tx, name.nid)


def _joined(tx: Transaction, user: UserNid) -> list[RoomId]:
    return [rooms.name(tx, nid).room_id for nid in membership.joined_rooms(tx, user)]


def member_fields(profile: Mapping[str, object]) -> dict[str, object]:
    """What of a user's profile stands in their member events."""
    return {field: profile[field] for field in (DISPLAYNAME, AVATAR_URL) if field in profile}


def _of_alias(tx: Transaction, alias: RoomAlias) -> RoomId:
    nid = aliases.find(tx, alias)
    if nid is None:
        raise NotFound(f"There is no room with the alias {alias}")
    return rooms.name(tx, nid).room_id


def _has_account(tx: Transaction, user_id: UserId) -> bool:
    account = accounts.find(tx, user_id)
    return account is not None and account.user_id == user_id


def _reason(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}
