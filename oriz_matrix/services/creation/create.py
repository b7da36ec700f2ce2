"""POST /createRoom: what a new room starts with, by preset and by what its creator asks for."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import structlog

from oriz_matrix.protocol.errors import (
    BadJson,
    Forbidden,
    InvalidParam,
    MatrixError,
    RoomInUse,
    UnsupportedRoomVersion,
)
from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import (
    RoomAlias,
    RoomId,
    ServerName,
    UserId,
    domain_of,
    parse_room_alias,
    parse_user_id,
)
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.creation.founding import Founding
from oriz_matrix.services.creation.presets import Preset, power_levels, preset_state
from oriz_matrix.services.membership.elsewhere import Elsewhere
from oriz_matrix.services.membership.seen import member_fields
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import accounts, aliases, interning, profiles, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

CREATE: StateKey = ("m.room.create", "")
MAX_INVITES = 100


log = structlog.get_logger()


class InitialState(msgspec.Struct, frozen=True):
    """A state event that the creator wants from the start."""

    type: str
    content: dict[str, Any]
    state_key: str = ""


class CreateRoom(msgspec.Struct, frozen=True, kw_only=True):
    """The body of /createRoom."""

    visibility: str = "private"
    preset: str | None = None
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: tuple[str, ...] = ()
    invite_3pid: tuple[dict[str, Any], ...] = ()
    room_version: str | None = None
    creation_content: dict[str, Any] = {}
    initial_state: tuple[InitialState, ...] = ()
    is_direct: bool = False
    power_level_content_override: dict[str, Any] = {}


class _Plan(NamedTuple):
    """A checked request."""

    creator: UserId
    version: RoomVersion
    preset: Preset
    alias: RoomAlias | None
    invited: Sequence[UserId]
    request: CreateRoom


class _Profiles(NamedTuple):
    """The member fields of each user who gets a member event."""

    by_user: Mapping[UserId, Mapping[str, object]]


class Create:
    """Makes rooms."""

    def __init__(self, db: Database, founding: Founding, elsewhere: Elsewhere, default: str) -> None:
        """`default`: the version of a new room where the client names none."""
        self._db = db
        self._elsewhere = elsewhere
        self._founding = founding
        self._default = default

    @property
    def _server_name(self) -> ServerName:
        return self._founding.server_name

    async def room(self, requester: Requester, request: CreateRoom) -> RoomId:
        """Makes a room with all that the request asks for, or nothing; its id."""
        refuse_suspended(requester)
        plan = self._plan(requester.user_id, request)
        strangers = [user for user in plan.invited if domain_of(user) != self._server_name]
        ours = [user for user in plan.invited if user not in strangers]
        found = await self._db.read(_profiles, [plan.creator, *ours])
        room_id = await self._founding.room(plan.version, _drafts(plan, ours, found), partial(_settle, plan=plan))
        await self._invite(requester, room_id, strangers, request)
        return room_id

    async def _invite(
        self, requester: Requester, room_id: RoomId, strangers: Sequence[UserId], request: CreateRoom
    ) -> None:
        """Invites users of other servers, all at once; whose server does not take it is not invited."""
        content: dict[str, Any] = {"membership": "invite", **({"is_direct": True} if request.is_direct else {})}
        invites = [self._elsewhere.invite(requester, room_id, user, content) for user in strangers]
        for user, result in zip(strangers, await asyncio.gather(*invites, return_exceptions=True), strict=True):
            if isinstance(result, MatrixError):
                log.info("a user is not invited to a new room", room=room_id, user=user, reason=result.message)
            elif isinstance(result, BaseException):
                raise result

    def _plan(self, creator: UserId, request: CreateRoom) -> _Plan:
        if request.invite_3pid:
            raise Forbidden("invite_3pid: this server has no identity server to ask")
        if request.visibility not in ("public", "private"):
            raise InvalidParam("visibility: must be public or private")
        by_visibility = "public_chat" if request.visibility == "public" else "private_chat"
        try:
            preset = Preset(request.preset or by_visibility)
        except ValueError:
            raise InvalidParam("preset: must be private_chat, trusted_private_chat or public_chat") from None
        version = ROOM_VERSIONS.get(self._default if request.room_version is None else request.room_version)
        if version is None:
            raise UnsupportedRoomVersion(f"room_version: {request.room_version!r} is not supported")
        return _Plan(creator, version, preset, self._alias(request), self._invited(creator, request), request)

    def _alias(self, request: CreateRoom) -> RoomAlias | None:
        if request.room_alias_name is None:
            return None
        if not request.room_alias_name or ":" in request.room_alias_name:
            raise InvalidParam("room_alias_name: must be the local part of an alias")
        return parse_room_alias(f"#{request.room_alias_name}:{self._server_name}", "room_alias_name")

    def _invited(self, creator: UserId, request: CreateRoom) -> Sequence[UserId]:
        invited = list(dict.fromkeys(parse_user_id(user, "invite") for user in request.invite))
        if len(invited) > MAX_INVITES:
            raise InvalidParam(f"invite: at most {MAX_INVITES} users")
        if creator in invited:
            raise InvalidParam("invite: you cannot invite yourself")
        if any(domain_of(user) != self._server_name for user in invited):
            self._elsewhere.require_reach("invite")
        return invited


def _drafts(plan: _Plan, invited: Sequence[UserId], found: _Profiles) -> list[Draft]:
    """What the room starts with, in the order of the specification."""
    request = plan.request
    state: dict[StateKey, Mapping[str, Any]] = {
        CREATE: _create_content(plan),
        ("m.room.member", plan.creator): {"membership": "join", **found.by_user[plan.creator]},
        ("m.room.power_levels", ""): power_levels(
            plan.version, plan.preset, plan.creator, plan.invited, request.power_level_content_override
        ),
    }
    if plan.alias is not None:
        state["m.room.canonical_alias", ""] = {"alias": plan.alias}
    state |= preset_state(plan.preset)
    for event in request.initial_state:
        if (event.type, event.state_key) == CREATE:
            raise InvalidParam("initial_state: m.room.create is made by the server")
        state[event.type, event.state_key] = event.content
    if request.name is not None:
        state["m.room.name", ""] = {"name": request.name}
    if request.topic is not None:
        state["m.room.topic", ""] = _topic(request.topic)
    for user in invited:
        direct = {"is_direct": True} if request.is_direct else {}
        state["m.room.member", user] = {"membership": "invite", **direct, **found.by_user[user]}
    return [
        Draft(sender=plan.creator, type=event_type, state_key=state_key, content=content)
        for (event_type, state_key), content in state.items()
    ]


def _topic(topic: str) -> dict[str, Any]:
    """The topic in both forms (MSC3765, in the specification since 1.15)."""
    return {"topic": topic, "m.topic": {"m.text": [{"mimetype": "text/plain", "body": topic}]}}


def _create_content(plan: _Plan) -> dict[str, Any]:
    content = {**plan.request.creation_content, "room_version": plan.version.name}
    content.pop("creator", None)
    if plan.version.creator_in_content:
        content["creator"] = plan.creator
    if plan.version.privileged_creators:
        creators = content.get("additional_creators", [])
        if not isinstance(creators, list) or not all(isinstance(user, str) for user in creators):
            raise BadJson("creation_content.additional_creators: must be a list of user ids")
        if plan.preset is Preset.TRUSTED_PRIVATE_CHAT:
            creators = [*creators, *plan.invited]
        if creators:
            parsed = [parse_user_id(user, "creation_content.additional_creators") for user in creators]
            content["additional_creators"] = list(dict.fromkeys(parsed))
    return content


def _profiles(tx: Transaction, users: Sequence[UserId]) -> _Profiles:
    found: dict[UserId, Mapping[str, object]] = {}
    for user in users:
        account = accounts.find(tx, user)
        if account is None:
            raise InvalidParam(f"invite: there is no user {user}")
        found[user] = member_fields(profiles.get(tx, account.user))
    return _Profiles(found)


def _settle(tx: Transaction, room: RoomNid, now_ms: int, plan: _Plan) -> None:
    """Writes the room's alias, and its place in the room directory. Raises RoomInUse."""
    if plan.alias is not None:
        if aliases.find(tx, plan.alias) is not None:
            raise RoomInUse
        try:
            aliases.add(tx, plan.alias, room, interning.user(tx, plan.creator), now_ms)
        except Duplicate:
            raise RoomInUse from None
    if plan.request.visibility == "public":
        rooms.publish(tx, room)
