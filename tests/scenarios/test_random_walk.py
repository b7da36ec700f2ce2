"""Several people act at random, several clients rebuild the world from /sync alone, and it is the one the server tells.

A short relative of what a soak would do: few seeds, few steps. What a client cannot see from /sync it may page for, as
clients do: the gap before a limited timeline.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tests.support.homeserver import Home, Json, Refused, RoomUpdate, Synced, User, ids

STEPS = 60
SEEDS = (100, 105)
UNSEEN = "@alice:example.org"
VISIBILITIES = ("world_readable", "shared", "invited", "joined")
LAZY: Json = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 2}}}
QUERIES: dict[str, Json] = {
    "plain": {},
    "limit 1": {"filter": {"room": {"timeline": {"limit": 1}}}},
    "limit 0": {"filter": {"room": {"timeline": {"limit": 0}}}},
    "lazy": {"filter": LAZY},
    "without alice": {"filter": {"room": {"timeline": {"not_senders": [UNSEEN], "limit": 3}}}},
    "state after": {"use_state_after": True},
    "state after, limit 1": {"use_state_after": True, "filter": {"room": {"timeline": {"limit": 1}}}},
    "state after, lazy": {"use_state_after": True, "filter": LAZY},
}


@dataclass
class Room:
    """What a client knows of a room."""

    timeline: list[str] = field(default_factory=list)
    state: dict[tuple[str, str], str] = field(default_factory=dict)
    unread: tuple[int, int] | None = None


class Client:
    """A device that keeps its world by /sync alone."""

    def __init__(self, user: User, query: Json, ignored: str) -> None:
        self.user = user
        self.query = query
        self.ignored = ignored
        wanted = query.get("filter", {})
        self.is_lazy = "state" in wanted.get("room", {})
        self.of_timeline: Json = {"not_senders": wanted.get("room", {}).get("timeline", {}).get("not_senders", [])}
        self.joined: dict[str, Room] = {}
        self.invited: set[str] = set()

    async def catch_up(self) -> None:
        """One sync, and the gaps that it leaves."""
        since = self.user.since
        answer = await self.user.sync(**self.query)
        for room_id in answer.rooms:
            assert len(answer.sections(room_id)) == 1
            self.invited.discard(room_id)
            await self._take(answer, room_id, since)

    async def _take(self, answer: Synced, room_id: str, since: str | None) -> None:
        section = answer.sections(room_id)[0]
        if section == "join":
            room = self.joined.get(room_id)
            update = answer.joined(room_id)
            if room is None:
                room, since = self.joined.setdefault(room_id, Room()), None
            elif self._is_whole(update):  # the client left and came back between two syncs
                room.timeline.clear()
                room.state.clear()
                since = None
            await self._apply(room, room_id, update, since)
            return
        self.joined.pop(room_id, None)
        if section == "invite":
            self.invited.add(room_id)

    def _is_whole(self, update: RoomUpdate) -> bool:
        return "m.room.create" in update.state_types | set(update.types)

    async def _apply(self, room: Room, room_id: str, update: RoomUpdate, since: str | None) -> None:
        assert ("state" in update.body, update.has_state_after) == (
            "use_state_after" not in self.query,
            "use_state_after" in self.query,
        )
        if update.limited:
            gap = await self.user.history(
                room_id, "b", from_=update.prev_batch, to=since, limit=7, filter=self.of_timeline
            )
            room.timeline += ids(gap)[::-1]
        room.timeline += ids(update.timeline)
        assert not [e for e in update.timeline if e["sender"] == self.ignored and "state_key" not in e]
        in_timeline = [] if update.has_state_after else [event for event in update.timeline if "state_key" in event]
        for event in update.state + in_timeline:
            room.state[event["type"], event["state_key"]] = event["event_id"]
        room.unread = update.unread or room.unread

    async def check(self) -> None:
        """The client's world is the server's."""
        joined = (await self.user.request("GET", "/v3/joined_rooms"))["joined_rooms"]
        assert set(self.joined) == set(joined)
        since, now = self.user.since, await self.user.sync_anew()
        self.user.since = since
        for room_id, room in self.joined.items():
            state = {key: event["event_id"] for key, event in (await self.user.whole_state(room_id)).items()}
            if self.is_lazy:
                state = {key: event for key, event in state.items() if key[0] != "m.room.member" or key in room.state}
            assert room.state == state
            assert room.unread == now.joined(room_id).unread
            assert room.timeline == ids(await self.user.history(room_id, "f", limit=100, filter=self.of_timeline))


class Walk:
    """One play, from a seed."""

    def __init__(self, seed: int, people: list[User], rooms: list[str]) -> None:
        self.dice = random.Random(seed)
        self.people = people
        self.rooms = rooms

    async def step(self) -> None:
        """Somebody does something, if they may."""
        actor, other = self.dice.sample(self.people, 2)
        room = self.dice.choice(self.rooms)
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: actor.say(room, "something"),
            lambda: actor.say(room, "something else"),
            lambda: actor.join(room),
            lambda: actor.join(room),
            lambda: actor.leave(room),
            lambda: actor.invite(room, other),
            lambda: actor.moderate(room, "kick", other),
            lambda: actor.moderate(room, "ban", other),
            lambda: actor.moderate(room, "unban", other),
            lambda: actor.knock(room),
            lambda: actor.forget(room),
            lambda: actor.set_member(room, actor, "join", displayname=str(self.dice.random())),
            lambda: actor.set_state(room, "m.room.topic", {"topic": str(self.dice.random())}),
            lambda: actor.set_state(
                room, "m.room.history_visibility", {"history_visibility": self.dice.choice(VISIBILITIES)}
            ),
            lambda: self._redact(actor, room),
        ]
        with suppress(Refused):
            await self.dice.choice(acts)()

    async def _redact(self, actor: User, room: str) -> None:
        said = [event for event in (await actor.messages(room))["chunk"] if event["type"] == "m.room.message"]
        if said:
            await actor.redact(room, self.dice.choice(said)["event_id"])


@pytest.mark.parametrize("seed", SEEDS)
async def test_clients_rebuild_the_world(either_home: Home, seed: int) -> None:
    people = await either_home.users("alice", "bob", "carol", "dave")
    equal = {"state_default": 0, "kick": 0, "ban": 0, "redact": 0, "users_default": 1, "events": {}}
    rooms = [
        await people[number].create_room(preset="public_chat", room_version="11", power_level_content_override=equal)
        for number in range(2)
    ]
    walk = Walk(seed, people, rooms)
    await people[3].ignore(people[2])
    ignored = dict.fromkeys([user.id for user in people], "") | {people[3].id: people[2].id}
    clients = [
        Client(await user.log_in_again(), query, ignored[user.id]) for user in people for query in QUERIES.values()
    ]
    for number in range(STEPS):
        await walk.step()
        await walk.dice.choice(clients).catch_up()
        if number % 20 == 19:
            for client in clients:
                await client.catch_up()
                await client.check()
