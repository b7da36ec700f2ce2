"""Changes of membership by local users: join, leave, invite, kick, ban, unban, knock; and forgetting a room.

What is allowed is decided by the room's authorization rules when the event is appended; here stands what they do not
say. Source: client-server API, "Room membership", "Guest Access".
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import BadJson, BadRequest, BadState, Forbidden, GuestAccessForbidden, NotFound
from oriz_matrix.protocol.event_contents import CREATE, Create, guests_may_join
from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId, domain_of, parse_user_id
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.membership.elsewhere import Elsewhere
from oriz_matrix.services.membership.seen import MEMBER, VOUCHER, NotHere, Seen, Wish, look
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.follow_ups import DISMISS_GUESTS, GUEST_ACCESS
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import membership, notices, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.jobs import Job
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

Carry = Callable[[RoomId, UserId], Awaitable[None]]
"""Carries what a user set of a room into the one that replaces it."""

MEMBERSHIPS = ("join", "invite", "leave", "ban", "knock")


class Joining(NamedTuple):
    """What somebody says with a join: why, and what else their member event shall hold."""

    reason: str | None = None
    more: Mapping[str, Any] = {}

    @property
    def content(self) -> dict[str, Any]:
        """All that may stand in the event for it."""
        said = {name: value for name, value in self.more.items() if name not in ("membership", VOUCHER)}
        return {**said, **_reason(self.reason)}


class Membership:
    """Changes memberships of local users, and of others where a local user has the power.

    Everything raises NotFound for a room that this server does not know.
    """

    def __init__(self, db: Database, append: Append, jobs: Jobs, elsewhere: Elsewhere, carry: Carry) -> None:
        self._db = db
        self._append = append
        self._elsewhere = elsewhere
        self._server_name = elsewhere.here
        self._carry = carry
        jobs.register(DISMISS_GUESTS, self._dismiss_guests)

    async def join(self, requester: Requester, room: str, said: Joining, via: Sequence[str] = ()) -> RoomId:
        """Joins a room by id or alias, through the servers of `via` where nobody here is in it; its id.

        Who is in it already stays as they are.
        """
        try:
            seen = await self._look(requester, room, requester.user_id, "join")
        except NotHere:
            return await self._from_elsewhere(requester, room, via, said)
        if seen.membership == "join":
            return seen.room_id
        if seen.needs_other_server:
            return await self._from_elsewhere(requester, seen.room_id, via, said)
        content = {**seen.profile, **said.content, "membership": "join"}
        await self._change(requester, seen, _joining(requester, seen, content))
        if Create(seen.snapshot.state[CREATE]).predecessor is not None:
            await self._bring_settings(seen.room_id, requester)
        return seen.room_id

    async def _from_elsewhere(self, requester: Requester, room: str, via: Sequence[str], said: Joining) -> RoomId:
        room_id = await self._elsewhere.join(requester, room, via, said.content)
        await self._bring_settings(room_id, requester)
        return room_id

    async def _bring_settings(self, room_id: RoomId, requester: Requester) -> None:
        """So that they are there with the room; where that fails the join stands all the same."""
        with suppress(StorageError):
            await self._carry(room_id, requester.user_id)

    async def knock(
        self, requester: Requester, room: str, reason: str | None = None, via: Sequence[str] = ()
    ) -> RoomId:
        """Asks to be let into a room, by id or alias; its id."""
        try:
            seen = await self._look(requester, room, requester.user_id, "knock")
        except NotHere:
            return await self._elsewhere.knock(requester, room, via, _reason(reason))
        await self._change(requester, seen, {"membership": "knock", **seen.profile, **_reason(reason)})
        return seen.room_id

    async def leave(self, requester: Requester, room_id: RoomId, reason: str | None = None) -> None:
        """Leaves a room, turns down its invite or takes back a knock; who has left already stays as they are."""
        try:
            seen = await self._look(requester, room_id, requester.user_id, "leave")
        except NotHere:
            await self._elsewhere.leave(requester, room_id, _reason(reason))
            return
        if seen.membership is None:
            raise Forbidden("You are not in this room")
        if seen.membership != "leave":
            await self._change(requester, seen, {"membership": "leave", **_reason(reason)})

    async def invite(self, requester: Requester, room_id: RoomId, user: str, reason: str | None = None) -> None:
        """Invites a user."""
        seen = await self._look(requester, room_id, parse_user_id(user, "user_id"), "invite")
        await self._invite(requester, seen, {"membership": "invite", **seen.profile, **_reason(reason)})

    async def kick(self, requester: Requester, room_id: RoomId, user: str, reason: str | None = None) -> None:
        """Removes a user from a room, takes back their invite or refuses their knock."""
        seen = await self._look(requester, room_id, parse_user_id(user, "user_id"), "leave")
        seen.require_joined_sender()
        if seen.membership not in ("join", "invite", "knock"):
            raise Forbidden("user_id: this user is not in the room")
        await self._change(requester, seen, {"membership": "leave", **_reason(reason)})

    async def ban(self, requester: Requester, room_id: RoomId, user: str, reason: str | None = None) -> None:
        """Bans a user, whether they are in the room or not."""
        seen = await self._look(requester, room_id, parse_user_id(user, "user_id"), "ban")
        await self._change(requester, seen, {"membership": "ban", **_reason(reason)})

    async def unban(self, requester: Requester, room_id: RoomId, user: str, reason: str | None = None) -> None:
        """Lifts a ban. Raises BadState for who is not banned."""
        seen = await self._look(requester, room_id, parse_user_id(user, "user_id"), "leave")
        seen.require_joined_sender()
        if seen.membership != "ban":
            raise BadState("user_id: this user is not banned")
        await self._change(requester, seen, {"membership": "leave", **_reason(reason)})

    async def set(self, requester: Requester, room_id: RoomId, user: str, content: Mapping[str, Any]) -> EventId:
        """What PUT /state does with a member event: the content is the client's, names are added where it has none."""
        target, after = parse_user_id(user, "stateKey"), content.get("membership")
        if after not in MEMBERSHIPS:
            raise BadJson(f"membership: must be one of {', '.join(MEMBERSHIPS)}")
        seen = await self._look(requester, room_id, target, after)
        content = {**seen.profile, **content}
        if after == "invite":
            return await self._invite(requester, seen, content)
        if after == "join":
            content = _joining(requester, seen, content)
        return await self._change(requester, seen, content)

    async def forget(self, requester: Requester, room_id: RoomId) -> None:
        """Hides a room that the user has left from them, until they have to do with it again. Raises BadRequest."""
        if not await self._db.write(_forget, requester.user, room_id):
            raise BadRequest("You have not left this room")

    async def joined(self, requester: Requester) -> list[RoomId]:
        """The rooms that the user is in."""
        return await self._db.read(_joined, requester.user)

    async def _look(self, requester: Requester, room: str, target: UserId, after: str) -> Seen:
        return await self._db.read(look, Wish(room, requester.user_id, target, after))

    async def _invite(self, requester: Requester, seen: Seen, content: Mapping[str, Any]) -> EventId:
        if domain_of(seen.wish.target) != self._server_name:
            refuse_suspended(requester)
            return await self._elsewhere.invite(requester, seen.room_id, seen.wish.target, content)
        if not seen.has_account:
            raise NotFound("user_id: there is no such user")
        return await self._change(requester, seen, content)

    async def _change(self, requester: Requester, seen: Seen, content: Mapping[str, Any]) -> EventId:
        target = seen.wish.target
        if target != requester.user_id or content["membership"] != "leave":
            refuse_suspended(requester)
        draft = Draft(sender=requester.user_id, type=MEMBER, content=content, state_key=target)
        return await self._append.local(seen.room_id, draft, seen.snapshot)

    async def _dismiss_guests(self, job: Job) -> None:
        """The work of a job: all guests leave a room that is open to guests no longer."""
        room_id = RoomId(job.key)
        for guest in await self._db.read(_unwelcome_guests, room_id):
            with suppress(Forbidden):  # gone meanwhile
                draft = Draft(sender=guest, type=MEMBER, content={"membership": "leave"}, state_key=guest)
                await self._append.local(room_id, draft)


def _joining(requester: Requester, seen: Seen, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a join; who vouches for it is this server's word and never the client's. Raises Forbidden."""
    if requester.is_guest and seen.membership != "join" and not seen.guests_may_join:
        raise GuestAccessForbidden("Guests may not join this room")
    own = {name: value for name, value in content.items() if name != VOUCHER}
    return own if seen.voucher is None else {**own, VOUCHER: seen.voucher}


def _unwelcome_guests(tx: Transaction, room_id: RoomId) -> list[UserId]:
    name = rooms.find(tx, room_id)
    if name is None:
        return []
    guest_access = access.current(tx, rooms.get(tx, [name.nid])[name.nid], [GUEST_ACCESS]).get(GUEST_ACCESS)
    return [] if guests_may_join(guest_access) else membership.guests(tx, name.nid)


def _forget(tx: Transaction, user: UserNid, room_id: RoomId) -> bool:
    name = rooms.find(tx, room_id)
    if name is None or not membership.forget(tx, user, name.nid):
        return False
    notices.leave(tx, f"user {user}")  # processes that remember the user's memberships read them again
    return True


def _joined(tx: Transaction, user: UserNid) -> list[RoomId]:
    return [rooms.name(tx, nid).room_id for nid in membership.joined_rooms(tx, user)]


def _reason(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}
