"""What is read of a room: one event, its state and members; each bounded by what the reader may see."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden, NotFound
from oriz_matrix.protocol.event_contents import Member
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.protocol.tokens import PageToken
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.client_events import Reader, Shown, fragment, show, show_events
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.storage import events, interning, membership, room_state, timeline
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.timeline import Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position


class MembersRequest(NamedTuple):
    """What /members asks: as of when, with which membership, without which."""

    at: PageToken | None = None
    membership: str | None = None
    not_membership: str | None = None

    def allows(self, event: Event) -> bool:
        """Whether a member event is wanted. With both conditions either is enough (client-server API)."""
        actual = event.content.get("membership")
        wanted = self.membership is not None and actual == self.membership
        other = self.not_membership is not None and actual != self.not_membership
        return wanted or other or (self.membership is None and self.not_membership is None)


class Read:
    """Reads rooms for local users. Everything raises Forbidden for who may not look into the room."""

    def __init__(self, db: Database, ignored: IgnoredUsers, clock: Clock) -> None:
        self._db = db
        self._ignored = ignored
        self._clock = clock

    async def event(self, requester: Requester, room_id: RoomId, event_id: EventId) -> msgspec.Raw:
        """One event. Raises NotFound also where the reader may not see it, or not look into the room at all."""
        shown = await self._db.read(_event, requester, room_id, event_id)
        (await self._ignored.now(requester.user)).check(shown.entry)
        return self._fragment(shown)

    async def state(self, requester: Requester, room_id: RoomId) -> list[msgspec.Raw]:
        """The whole state: now, or as it was when the reader left."""
        return self._fragments(await self._db.read(_state, requester, room_id))

    async def state_event(self, requester: Requester, room_id: RoomId, key: StateKey) -> Event:
        """One state event, as it stands after redactions. Raises NotFound."""
        return await self._db.read(_state_event, requester, room_id, key)

    async def state_event_json(self, requester: Requester, room_id: RoomId, key: StateKey) -> msgspec.Raw:
        """One state event in the form of clients. Raises NotFound."""
        return self._fragment(await self._db.read(_shown_state_event, requester, room_id, key))

    async def members(self, requester: Requester, room_id: RoomId, wanted: MembersRequest) -> list[msgspec.Raw]:
        """The member events: now, when the reader left, or at a token."""
        shown = await self._db.read(_members, requester, room_id, wanted.at)
        return self._fragments([one for one in shown if wanted.allows(one.event)])

    async def joined_members(self, requester: Requester, room_id: RoomId) -> dict[UserId, dict[str, Any]]:
        """By user in the room, their name and picture in it; only for who is in it too."""
        return await self._db.read(_joined_members, requester, room_id)

    def _fragments(self, shown: Sequence[Shown]) -> list[msgspec.Raw]:
        now_ms = self._clock.now_ms()
        return [fragment(one, now_ms, with_room=True) for one in shown]

    def _fragment(self, shown: Shown) -> msgspec.Raw:
        return self._fragments([shown])[0]


def _reader(requester: Requester) -> Reader:
    return Reader(requester.user, requester.device)


def _event(tx: Transaction, requester: Requester, room_id: RoomId, event_id: EventId) -> Shown:
    try:
        view = access.view(tx, requester.user, room_id)
    except Forbidden:
        raise NotFound("There is no such event, or you may not see it") from None
    entry = access.entry(tx, view, access.sight(tx, requester.user, view.room), event_id)
    return show(tx, [entry], _reader(requester))[0]


def _state(tx: Transaction, requester: Requester, room_id: RoomId) -> list[Shown]:
    view = access.view(tx, requester.user, room_id)
    return show_events(tx, room_state.at(tx, view.state).values(), _reader(requester))


def _state_event(tx: Transaction, requester: Requester, room_id: RoomId, key: StateKey) -> Event:
    view = access.view(tx, requester.user, room_id)
    found = access.at(tx, view.state, [key])
    if key not in found:
        raise NotFound("The room has no such state event")
    return found[key]


def _shown_state_event(tx: Transaction, requester: Requester, room_id: RoomId, key: StateKey) -> Shown:
    view = access.view(tx, requester.user, room_id)
    numbers = interning.find_state_keys(tx, [key])
    found = room_state.get(tx, view.state, list(numbers.values()))
    if not found:
        raise NotFound("The room has no such state event")
    return show_events(tx, found.values(), _reader(requester))[0]


def _members(tx: Transaction, requester: Requester, room_id: RoomId, at: PageToken | None) -> list[Shown]:
    view = access.view(tx, requester.user, room_id)
    state = view.state
    if at is not None and at.position < view.upto:
        newest = timeline.before(tx, view.name.nid, Place(at.position, at.back), Place(-1), 1)
        if newest and not access.sight(tx, requester.user, view.room).sees(newest[0].position):
            raise Forbidden("at: you may not see the room as it was then")
        state = StateAt(state.branch, Position(at.position))
    entries = timeline.statuses(tx, list(room_state.at_type(tx, state, "m.room.member").values()))
    return show(tx, entries, _reader(requester))


def _joined_members(tx: Transaction, requester: Requester, room_id: RoomId) -> dict[UserId, dict[str, Any]]:
    view = access.view(tx, requester.user, room_id)
    if view.membership != "join":
        raise Forbidden("You are not in this room")
    members = events.effective(tx, membership.events_of(tx, view.name.nid, "join")).values()
    return {UserId(event.key[1]): _profile(Member(event.content)) for event in members}


def _profile(member: Member) -> dict[str, Any]:
    """A member as /joined_members shows them, where the name is called otherwise than in the event."""
    found = {"display_name": member.display_name, "avatar_url": member.avatar_url}
    return {name: value for name, value in found.items() if value is not None}
