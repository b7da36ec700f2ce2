"""Profiles: the fields of this server's users, the job that carries name and picture into their rooms, and the profiles
of other servers' users, which are asked of those.

Source: client-server API, "Profiles"; server-server API, GET /query/profile.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.net.peers import uri
from oriz_matrix.protocol import profile_fields
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import BadRequest, Forbidden, GuestAccessForbidden, InvalidParam, NotFound, TooLarge
from oriz_matrix.protocol.event_contents import member_key
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId, domain_of
from oriz_matrix.protocol.profile_fields import AVATAR_URL, DISPLAYNAME
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.membership.seen import MEMBER, VOUCHER, member_fields
from oriz_matrix.services.queries import Queries, Question
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import accounts, interning, jobs, membership, profiles, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

QUEUE = "profile"
"""Jobs of this queue carry a profile into rooms; the key is the user's id."""

CARRIED = (DISPLAYNAME, AVATAR_URL)
OF_ONE_JOIN = (VOUCHER, "reason")
"""What a member event says of how the user came in, and what is not repeated when their name changes."""

log = structlog.get_logger()


class Profiles:
    """Reads and changes profiles."""

    def __init__(
        self,
        db: Database,
        runner: Jobs,
        append: Append,
        clock: Clock,
        queries: Queries,
        server_name: ServerName,
    ) -> None:
        self._db = db
        self._runner = runner
        self._append = append
        self._clock = clock
        self._queries = queries
        self._server_name = server_name
        runner.register(QUEUE, self._carry)

    async def get(self, user_id: UserId) -> dict[str, object]:
        """All fields. Raises NotFound for who is unknown here, or at their own server, or when that does not answer."""
        server = domain_of(user_id)
        if server != self._server_name:
            return await self._queries.ask(server, _question(user_id))
        return await self._db.read(_get, user_id)

    async def for_server(self, user_id: UserId, name: str | None) -> dict[str, object]:
        """All fields of a user of this server, or one of them if it is there. Raises NotFound, InvalidParam."""
        if domain_of(user_id) != self._server_name:
            raise InvalidParam("user_id: no user of this server")
        fields = await self._db.read(_get, user_id)
        return fields if name is None else {field: value for field, value in fields.items() if field == name}

    async def field(self, user_id: UserId, name: str) -> object:
        """One field. Raises NotFound."""
        fields = await self.get(user_id)
        if name not in fields:
            raise NotFound("The profile has no such field")
        return fields[name]

    async def put(self, requester: Requester, user_id: UserId, name: str, value: object) -> None:
        """Sets a field of one's own. Raises Forbidden, and what `protocol.profile_fields` raises."""
        _require_own(requester, user_id, name)
        profile_fields.check_name(name)
        profile_fields.check_value(name, value)
        await self._db.write(_put, requester, name, value, self._clock.now_ms())
        self._runner.poke()

    async def remove(self, requester: Requester, user_id: UserId, name: str) -> None:
        """Removes a field of one's own, if it is there."""
        _require_own(requester, user_id, name)
        profile_fields.check_name(name)
        await self._db.write(_remove, requester, name, self._clock.now_ms())
        self._runner.poke()

    async def _carry(self, job: Job) -> None:
        """The work of a job: name and picture as they are now go into every room that the user is in.

        What a room has already is not sent again, so the job may stop anywhere and begin anew.
        """
        user_id = UserId(job.key)
        user = await self._db.write(interning.user, user_id)
        for room_id in await self._db.read(_joined, user):
            content = await self._db.read(_member_content, user, user_id, room_id)
            if content is not None:
                await self._send(room_id, Draft(sender=user_id, type=MEMBER, state_key=user_id, content=content))

    async def _send(self, room_id: RoomId, draft: Draft) -> None:
        try:
            await self._append.local(room_id, draft)
        except (Forbidden, BadRequest, TooLarge) as error:  # left meanwhile, or what else stands in the event is odd
            log.info("a room does not take a profile", error=error.message)


def _require_own(requester: Requester, user_id: UserId, name: str) -> None:
    refuse_suspended(requester)
    if user_id != requester.user_id:
        raise Forbidden("userId: only one's own profile can be changed")
    if requester.is_guest and name != DISPLAYNAME:
        raise GuestAccessForbidden("keyName: guests can only change their display name")


def _question(user_id: UserId) -> Question[dict[str, object]]:
    return Question(
        uri=uri("/_matrix/federation/v1/query/profile", query=[("user_id", user_id)]),
        read=profile_fields.received,
        missing="There is no such user",
        largest=2 * profile_fields.MAX_PROFILE_BYTES,
    )


def _get(tx: Transaction, user_id: UserId) -> dict[str, object]:
    account = accounts.find(tx, user_id)
    if account is None or account.user_id != user_id:
        raise NotFound("There is no such user on this server")
    return profiles.get(tx, account.user)


def _put(tx: Transaction, requester: Requester, name: str, value: object, now_ms: int) -> None:
    profiles.lock(tx, requester.user)
    profile_fields.check_size({**profiles.get(tx, requester.user), name: value})
    profiles.put(tx, requester.user, name, value)
    _enqueue(tx, requester, name, now_ms)


def _remove(tx: Transaction, requester: Requester, name: str, now_ms: int) -> None:
    if profiles.remove(tx, requester.user, name):
        _enqueue(tx, requester, name, now_ms)


def _enqueue(tx: Transaction, requester: Requester, name: str, now_ms: int) -> None:
    if name in CARRIED:
        jobs.enqueue(tx, QUEUE, requester.user_id, b"", now_ms)


def _joined(tx: Transaction, user: UserNid) -> list[RoomId]:
    return [rooms.name(tx, nid).room_id for nid in membership.joined_rooms(tx, user)]


def _member_content(tx: Transaction, user: UserNid, user_id: UserId, room_id: RoomId) -> Mapping[str, Any] | None:
    """A member event with name and picture of now; None where it says them already, or the user is not joined."""
    name = rooms.find(tx, room_id)
    assert name is not None
    key = member_key(user_id)
    present = access.current(tx, rooms.get(tx, [name.nid])[name.nid], [key]).get(key)
    if present is None or present.content.get("membership") != "join":
        return None
    new = member_fields(profiles.get(tx, user))
    if encode(member_fields(present.content)) == encode(new):
        return None
    dropped = (*CARRIED, *OF_ONE_JOIN)
    return {**{field: value for field, value in present.content.items() if field not in dropped}, **new}
