"""Clients that rebuild their world from /sync alone, of many kinds, and the comparison with what the server tells.

What a client cannot see from /sync it may page for, as clients do: what lies before a limited timeline.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tests.scenarios.truth import Truth, same
from tests.support.people import Json, Refused, RoomUpdate, Synced, User, ids

MEMBER = "m.room.member"
CREATE = "m.room.create"
LAZY: Json = {"lazy_load_members": True}
SOME_STATE = (CREATE, "m.room.topic", "m.room.history_visibility", "m.room.name")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a client asks for, how often it comes (0: hardly ever), and whether it may log in again."""

    query: Json = field(default_factory=dict)
    eagerness: int = 4
    returns: bool = False


def _filter(timeline: Json | None = None, state: Json | None = None, **room: object) -> Json:
    return {"filter": {"room": {"timeline": timeline or {}, "state": state or {}, **room}}}


def kinds(somebody: str, room_id: str) -> Mapping[str, Kind]:
    """All kinds of clients; some want to know nothing of somebody, or of one room only."""
    after: Json = {"use_state_after": True}
    return {
        "plain": Kind(),
        "limit 1": Kind(query=_filter({"limit": 1})),
        "limit 0": Kind(query=_filter({"limit": 0})),
        "lazy": Kind(query=_filter({"limit": 2}, LAZY)),
        "without somebody": Kind(query=_filter({"not_senders": [somebody], "limit": 3})),
        "only messages": Kind(query=_filter({"types": ["m.room.message"], "limit": 2})),
        "some state": Kind(query=_filter({"limit": 2, "not_types": ["m.room.topic"]}, {"types": list(SOME_STATE)})),
        "one room": Kind(query=_filter({"limit": 3}, rooms=[room_id])),
        "state after": Kind(query=after),
        "state after, limit 1": Kind(query=after | _filter({"limit": 1})),
        "state after, lazy": Kind(query=after | _filter({"limit": 2}, LAZY)),
        "state after, without somebody": Kind(query=after | _filter({"not_senders": [somebody], "limit": 1})),
        "offline": Kind(query=_filter({"limit": 4}), eagerness=0),
        "offline, lazy": Kind(query=_filter({"limit": 3}, LAZY), eagerness=0),
        "offline, state after": Kind(query=after | _filter({"limit": 2}), eagerness=0),
        "returning": Kind(query=_filter({"limit": 5}), returns=True),
        "returning, lazy": Kind(query=_filter({"limit": 1}, LAZY), returns=True),
    }


@dataclass
class Room:
    """What a client knows of a room."""

    timeline: list[str] = field(default_factory=list)
    state: dict[tuple[str, str], str] = field(default_factory=dict)
    unread: tuple[int, int] | None = None
    receipts: dict[tuple[str, str, str | None], str] = field(default_factory=dict)
    typing: list[str] = field(default_factory=list)
    account_data: Json = field(default_factory=dict)
    summary: Json = field(default_factory=dict)
    is_torn: bool = False
    """The server refused to tell what lies in a gap, because the user was out of the room by then."""


class Client:
    """A device that keeps its world by /sync alone."""

    def __init__(self, user: User, name: str, kind: Kind, ignored: Sequence[str]) -> None:
        self.user = user
        self.name = f"{user.id}, {name}"
        self.kind = kind
        self._ignored = ignored
        wanted = kind.query.get("filter", {}).get("room", {})
        self._only: list[str] | None = wanted.get("rooms")
        self._of_timeline: Json = {name: value for name, value in wanted.get("timeline", {}).items() if name != "limit"}
        self._of_state: Json = wanted.get("state", {})
        self._forget_all()

    def _forget_all(self) -> None:
        self.joined: dict[str, Room] = {}
        self.left: dict[str, Room] = {}
        self.invited: set[str] = set()
        self.knocked: set[str] = set()
        self.account_data: Json = {}

    async def log_in_again(self) -> None:
        """A new device, which knows nothing; the old one is gone."""
        old, self.user = self.user, await self.user.log_in_again()
        await old.request("POST", "/v3/logout")
        self._forget_all()

    async def catch_up(self, dice: random.Random) -> None:
        """One sync, and the gaps that it leaves. Some answers get lost; now and then everything is asked for anew."""
        loses, whole, waits = dice.random() < 0.2, dice.random() < 0.1, dice.choice((0, 0, 20))
        since = self.user.since
        if loses:
            await self.user.sync(**self.kind.query)
            self.user.since = since
        answer = await self.user.sync(**self.kind.query, timeout=waits, full_state=whole)
        self.account_data |= answer.account_data
        for room_id in sorted(answer.rooms):
            assert len(answer.sections(room_id)) == 1, self.name
            assert self._only is None or room_id in self._only, self.name
            await self._take(answer, room_id, since, full_state=whole)

    async def _take(self, answer: Synced, room_id: str, since: str | None, *, full_state: bool) -> None:
        section = answer.sections(room_id)[0]
        self.invited.discard(room_id)
        self.knocked.discard(room_id)
        if section == "invite":
            self.invited.add(room_id)
        elif section == "knock":
            self.knocked.add(room_id)
        known = self.joined.pop(room_id, None)
        if section == "join":
            self.left.pop(room_id, None)
            update = answer.joined(room_id)
            if known is None or (self._is_whole(update) and not full_state):
                known, since = Room(), None  # the user came, or left and came back, between two syncs
            elif full_state:
                known.state.clear()
            self.joined[room_id] = known
            await self._apply(known, room_id, update, since)
            self._apply_rest(known, update)
        elif section == "leave":
            update = answer.left(room_id)
            if self._is_whole(update):
                known, since = Room(), None
            if known is not None:
                self.left[room_id] = known
                await self._apply(known, room_id, update, since)
        else:
            self.left.pop(room_id, None)

    def _is_whole(self, update: RoomUpdate) -> bool:
        return CREATE in update.state_types | set(update.types)

    async def _apply(self, room: Room, room_id: str, update: RoomUpdate, since: str | None) -> None:
        after = "use_state_after" in self.kind.query
        assert ("state" in update.body, update.has_state_after) == (not after, after), self.name
        if update.limited or since is None:
            room.timeline += await self._gap(room, room_id, update.prev_batch, since)
        room.timeline += ids(update.timeline)
        assert not [e for e in update.timeline if e["sender"] in self._ignored and "state_key" not in e], self.name
        in_timeline = [] if update.has_state_after else [event for event in update.timeline if "state_key" in event]
        for event in update.state + in_timeline:
            room.state[event["type"], event["state_key"]] = event["event_id"]
        if self._is_lazy:
            senders = {event["sender"] for event in update.timeline if event.get("state_key") != self.user.id}
            assert {(MEMBER, sender) for sender in senders} <= set(room.state), (self.name, room_id)

    async def _gap(self, room: Room, room_id: str, start: str, since: str | None) -> list[str]:
        try:
            gap = await self.user.history(room_id, "b", from_=start, to=since, limit=7, filter=self._of_timeline)
        except Refused as error:
            if error.status != 403:
                raise
            room.is_torn = True
            return []
        return ids(gap)[::-1]

    def _apply_rest(self, room: Room, update: RoomUpdate) -> None:
        room.unread = update.unread or room.unread
        for event_id, kind, reader, thread in update.receipts:
            room.receipts[reader, kind, thread] = event_id
        room.typing = room.typing if update.typing is None else update.typing
        room.account_data |= update.account_data
        room.summary = update.summary or room.summary  # it comes whole; without heroes where the room has a name

    @property
    def _is_lazy(self) -> bool:
        return "lazy_load_members" in self._of_state

    def check(self, truth: Truth, forgot: Collection[tuple[str, str]]) -> None:
        """The client's world is the server's; of rooms that a user `forgot` nothing is known."""
        same(set(self.joined), self._allowed(truth.joined), self.name)
        same(self.invited, self._allowed(truth.section("invite")), self.name)
        same(self.knocked, self._allowed(truth.section("knock")), self.name)
        same(self.account_data, truth.anew.account_data, self.name)
        for room_id, room in self.joined.items():
            where, now = f"{self.name}, {room_id}", truth.anew.joined(room_id)
            assert not room.is_torn, where
            self._check_events(room, room_id, truth)
            receipts = {(reader, kind, thread): event_id for event_id, kind, reader, thread in now.receipts}
            same(room.unread, now.unread, where)
            same(room.receipts, receipts, where)
            same(sorted(room.typing), sorted(now.typing or []), where)
            same(room.account_data, now.account_data, where)
            same(self._summary(room.summary), self._summary(now.summary), where)
        for room_id, room in self.left.items():
            if not room.is_torn and (self.user.id, room_id) not in forgot:
                self._forget_what_came_after(room, room_id, truth)
                self._check_events(room, room_id, truth)

    def _forget_what_came_after(self, room: Room, room_id: str, truth: Truth) -> None:
        """What the user's membership became after the end of their stay, they are told; it is no part of the room."""
        own, told = (MEMBER, self.user.id), truth.state[room_id]
        if room.timeline[-1:] == [room.state.get(own)] != [told[own]]:
            room.timeline.pop()
        room.state[own] = told[own]

    def _summary(self, summary: Json) -> Json:
        """Heroes stand for a missing name: who filters events may not hear that the name was redacted."""
        return {name: value for name, value in summary.items() if name != "m.heroes" or not self._of_timeline}

    def _allowed(self, rooms: set[str]) -> set[str]:
        return rooms if self._only is None else rooms & set(self._only)

    def _check_events(self, room: Room, room_id: str, truth: Truth) -> None:
        state = {key: event for key, event in truth.state[room_id].items() if self._has_state(key, room)}
        known = {key: event for key, event in room.state.items() if self._has_state(key, room)}
        same(known, state, f"{self.name}, state of {room_id}")
        timeline = [event["event_id"] for event in truth.history[room_id] if self._has_event(event)]
        same(room.timeline, timeline, f"{self.name}, timeline of {room_id}")

    def _has_state(self, key: tuple[str, str], room: Room) -> bool:
        wanted = key[0] in self._of_state.get("types", [key[0]])
        return wanted and (not self._is_lazy or key[0] != MEMBER or key in room.state)

    def _has_event(self, event: Json) -> bool:
        wanted = self._of_timeline
        return (
            event["sender"] not in wanted.get("not_senders", [])
            and event["type"] in wanted.get("types", [event["type"]])
            and event["type"] not in wanted.get("not_types", [])
        )
