"""POST /upgrade: a new room of another version in place of an old one, which is closed.

Source: client-server API, "Room Upgrades"; MSC4289 for the creators of room version 12. Besides the state that the
specification recommends, bans are carried over (by whom the room is upgraded), and the rooms of a space.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.authorization import may_send
from oriz_matrix.protocol.errors import Forbidden, NotFound, UnsupportedRoomVersion
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS, Create, member_key, membership
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomAlias, RoomId, UserId, parse_user_id
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.creation import levels
from oriz_matrix.services.creation.founding import Founding
from oriz_matrix.services.creation.settings import Settings
from oriz_matrix.services.membership.seen import member_fields
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.canonical_alias import CANONICAL_ALIAS, keeping
from oriz_matrix.services.rooms.follow_ups import TOMBSTONE
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import aliases, events, profiles, room_state, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.membership import events_of
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

COPIED: Sequence[StateKey] = (
    ("m.room.server_acl", ""),
    ("m.room.encryption", ""),
    ("m.room.name", ""),
    ("m.room.avatar", ""),
    ("m.room.topic", ""),
    ("m.room.guest_access", ""),
    ("m.room.history_visibility", ""),
    ("m.room.join_rules", ""),
)
SPACE = "m.space"
SPACE_CHILD = "m.space.child"
BODY = "This room has been replaced"


class UpgradeRoom(msgspec.Struct, frozen=True):
    """The body of /upgrade."""

    new_version: str
    additional_creators: tuple[str, ...] = ()


class _Old(NamedTuple):
    """The room that is replaced, as far as it is needed; `profile`: the member fields of who replaces it."""

    name: RoomName
    state: Mapping[StateKey, Event]
    newest: EventId
    aliases: Sequence[RoomAlias]
    bans: Sequence[Event]
    children: Sequence[Event]
    profile: Mapping[str, Any]

    @property
    def create(self) -> Create:
        """What m.room.create says."""
        return Create(self.state[CREATE])


class _Plan(NamedTuple):
    """A checked request: `additional` are creators beside the one who upgrades."""

    user_id: UserId
    version: RoomVersion
    additional: Sequence[UserId]


class Upgrade:
    """Replaces rooms."""

    def __init__(self, db: Database, append: Append, founding: Founding, settings: Settings) -> None:
        self._db = db
        self._append = append
        self._founding = founding
        self._settings = settings

    async def room(self, requester: Requester, room_id: RoomId, request: UpgradeRoom) -> RoomId:
        """Makes the new room, which takes over the old one's aliases, and then closes the old one; the new one's id.

        Raises Forbidden for who may not close the old room, NotFound, UnsupportedRoomVersion, and InvalidParam.
        """
        refuse_suspended(requester)
        plan = _plan(requester.user_id, request)
        old = await self._db.read(_old, requester, room_id)
        new_id = await self._founding.room(plan.version, _drafts(plan, old), partial(_settle, old=old.name.nid))
        await self._close(requester, old, new_id)
        with suppress(StorageError):  # a job does it once more, and for all others
            await self._settings.into(new_id, requester.user_id)
        return new_id

    async def _close(self, requester: Requester, old: _Old, new_id: RoomId) -> None:
        """Points from the old room to the new one; what takes other rights than that is done where they are there."""
        await self._send(requester, old, TOMBSTONE, {"body": BODY, "replacement_room": new_id})
        if CANONICAL_ALIAS in old.state:
            left = keeping(old.state[CANONICAL_ALIAS].content, lambda alias: alias not in old.aliases)
            with suppress(Forbidden):
                await self._send(requester, old, CANONICAL_ALIAS, left)
        if POWER_LEVELS in old.state:
            with suppress(Forbidden):
                await self._send(requester, old, POWER_LEVELS, levels.closed(old.state[POWER_LEVELS]))

    async def _send(self, requester: Requester, old: _Old, key: StateKey, content: Mapping[str, Any]) -> None:
        if key not in old.state or content != old.state[key].content:
            draft = Draft(sender=requester.user_id, type=key[0], state_key=key[1], content=content)
            await self._append.local(old.name.room_id, draft)


def _plan(user_id: UserId, request: UpgradeRoom) -> _Plan:
    version = ROOM_VERSIONS.get(request.new_version)
    if version is None:
        raise UnsupportedRoomVersion(f"new_version: {request.new_version!r} is not supported")
    named = request.additional_creators if version.privileged_creators else ()  # elsewhere it is ignored
    additional = dict.fromkeys(parse_user_id(user, "additional_creators") for user in named)
    return _Plan(user_id, version, [user for user in additional if user != user_id])


def _old(tx: Transaction, requester: Requester, room_id: RoomId) -> _Old:
    name = rooms.find(tx, room_id)
    if name is None:
        raise NotFound("This server does not know the room")
    room = rooms.get(tx, [name.nid])[name.nid]
    own = member_key(requester.user_id)
    state = access.current(tx, room, [CREATE, POWER_LEVELS, CANONICAL_ALIAS, own, *COPIED])
    if membership(state.get(own)) != "join":
        raise Forbidden("You are not in this room, or it does not exist")
    if not may_send(requester.user_id, TOMBSTONE[0], state, is_state=True):
        raise Forbidden("Your power level is too low to close this room")
    is_space = Create(state[CREATE]).room_type == SPACE
    children = list(room_state.at_type(tx, room.current, SPACE_CHILD).values()) if is_space else []
    return _Old(
        name,
        state,
        max(room.extremities, key=lambda end: end[1])[0],
        aliases.of_room(tx, name.nid),
        list(events.effective(tx, events_of(tx, name.nid, "ban")).values()),
        [event for event in events.effective(tx, children).values() if "via" in event.content],
        member_fields(profiles.get(tx, requester.user)),
    )


def _drafts(plan: _Plan, old: _Old) -> list[Draft]:
    """What the new room starts with. The levels come last: until then its creator has the power for all the rest."""
    state: dict[StateKey, Mapping[str, Any]] = {
        CREATE: _create_content(plan, old),
        member_key(plan.user_id): {"membership": "join", **old.profile},
    }
    state |= {key: old.state[key].content for key in COPIED if key in old.state}
    state |= {event.key: event.content for event in old.children}
    if CANONICAL_ALIAS in old.state:
        moved = keeping(old.state[CANONICAL_ALIAS].content, lambda alias: alias in old.aliases)
        state |= {CANONICAL_ALIAS: moved} if moved.get("alias") or moved.get("alt_aliases") else {}
    creators = [plan.user_id, *plan.additional]
    state |= {event.key: _ban_content(event) for event in old.bans if event.key[1] not in creators}
    if POWER_LEVELS in old.state:
        state[POWER_LEVELS] = levels.copied(old.state[POWER_LEVELS], old.create, plan.version, creators)
    return [
        Draft(sender=plan.user_id, type=event_type, state_key=state_key, content=content)
        for (event_type, state_key), content in state.items()
    ]


def _create_content(plan: _Plan, old: _Old) -> dict[str, Any]:
    content: dict[str, Any] = {
        "room_version": plan.version.name,
        "predecessor": {"room_id": old.name.room_id, "event_id": old.newest},
    }
    if plan.version.creator_in_content:
        content["creator"] = plan.user_id
    if plan.additional:
        content["additional_creators"] = list(plan.additional)
    if old.create.room_type is not None:
        content["type"] = old.create.room_type
    if not old.create.federates:
        content["m.federate"] = False
    return content


def _ban_content(event: Event) -> dict[str, Any]:
    return {name: event.content[name] for name in ("membership", "reason") if name in event.content}


def _settle(tx: Transaction, room: RoomNid, now_ms: int, old: RoomNid) -> None:  # noqa: ARG001 - one shape for all
    """The new room takes over the old one's aliases, and its place in the room directory."""
    aliases.move(tx, old, room)
    rooms.hand_over_listing(tx, old, room)
