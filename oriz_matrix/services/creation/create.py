"""POST /createRoom: all events of a new room, prepared one upon the other and stored in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import (
    BadJson,
    Forbidden,
    InvalidParam,
    InvalidRoomState,
    RoomInUse,
    Unavailable,
    UnsupportedRoomVersion,
)
from oriz_matrix.protocol.events import Event, StateKey
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
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.creation.presets import Preset, power_levels, preset_state
from oriz_matrix.services.membership.change import member_fields
from oriz_matrix.services.rooms import unread
from oriz_matrix.services.rooms.prepare import Draft, Prepare
from oriz_matrix.services.rooms.stripped_state import invite_state
from oriz_matrix.storage import accounts, aliases, append, interning, profiles, rooms
from oriz_matrix.storage.append import NewEvent
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.transaction import Transaction

CREATE: StateKey = ("m.room.create", "")
MAX_INVITES = 100
ATTEMPTS = 20
"""How many ids are tried for a room."""


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

    def __init__(self, db: Database, changes: Changes, prepare: Prepare, clock: Clock, ids: Ids, default: str) -> None:
        """`default`: the version of a new room where the client names none."""
        self._db = db
        self._changes = changes
        self._prepare = prepare
        self._clock = clock
        self._ids = ids
        self._default = default

    @property
    def _server_name(self) -> ServerName:
        return self._prepare.server_name

    async def room(self, requester: Requester, request: CreateRoom) -> RoomId:
        """Makes a room with all that the request asks for, or nothing; its id."""
        refuse_suspended(requester)
        plan = self._plan(requester.user_id, request)
        found = await self._db.read(_profiles, [plan.creator, *plan.invited])
        for attempt in range(ATTEMPTS):
            # In room version 12 the id is the create event's hash: two rooms of one user must differ in their time.
            now_ms = self._clock.now_ms() + attempt
            new = self._events(plan, found, now_ms)
            try:
                await self._db.write(_store, plan, new, now_ms)
            except Duplicate:
                continue
            self._changes.poke()
            return new[0].event.room_id
        raise Unavailable("No free room id was found, try again")

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
            raise Forbidden("invite: users of other servers cannot be invited here")
        return invited

    def _events(self, plan: _Plan, found: "_Profiles", now_ms: int) -> list[NewEvent]:
        """The room's events, each on the one before and authorized by the state so far."""
        room_id = None
        if not plan.version.room_id_is_create_hash:
            room_id = RoomId(f"!{self._ids.room_opaque()}:{self._server_name}")
        state: dict[StateKey, Event] = {}
        new: list[NewEvent] = []
        joined = 0
        for draft in _drafts(plan, found, now_ms):
            ends = [(new[-1].event.event_id, new[-1].event.depth)] if new else []
            try:
                event = self._prepare.event(plan.version, room_id, ends, state, draft)
            except Forbidden as error:
                raise InvalidRoomState(f"{draft.type}: {error.message}") from None
            room_id = event.room_id
            shown = invite_state(event, state)
            state[event.key] = event
            joined += draft.content.get("membership") == "join"
            new.append(unread.weigh(event, joined, state, self._server_name)._replace(invite_state=shown))
        return new


def _drafts(plan: _Plan, found: _Profiles, now_ms: int) -> list[Draft]:
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
    for user in plan.invited:
        direct = {"is_direct": True} if request.is_direct else {}
        state["m.room.member", user] = {"membership": "invite", **direct, **found.by_user[user]}
    return [
        Draft(sender=plan.creator, type=event_type, state_key=state_key, content=content, timestamp=now_ms)
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


def _store(tx: Transaction, plan: _Plan, new: Sequence[NewEvent], now_ms: int) -> None:
    """Writes the room, its alias and all its events. Raises RoomInUse, and Duplicate where the room's id is taken."""
    if plan.alias is not None and aliases.find(tx, plan.alias) is not None:
        raise RoomInUse
    room = rooms.create(tx, new[0].event.room_id, plan.version)
    if plan.alias is not None:
        try:
            aliases.add(tx, plan.alias, room.nid, interning.user(tx, plan.creator), now_ms)
        except Duplicate:
            raise RoomInUse from None
    if plan.request.visibility == "public":
        rooms.publish(tx, room.nid)
    append.append(tx, room.nid, room.current, new)
