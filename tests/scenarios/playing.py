"""A random walk with everybody's clients, and what has to hold at its checkpoints."""

import random
from collections.abc import Coroutine, Sequence
from typing import Any

from tests.scenarios import truth
from tests.scenarios.rebuilding import Client, kinds
from tests.scenarios.walking import Walk
from tests.support.people import Json, User, ids

NAMES = ("alice", "bob", "carol", "dave", "wanda")


class Play:
    """A walk, the clients of everybody in it, and what has to hold at checkpoints. The last user is the witness."""

    def __init__(self, seed: int, users: Sequence[User]) -> None:
        self.dice = random.Random(seed)
        *self.people, self.witness = users
        self.walk = Walk(self.dice, self.people, self.witness)
        self.clients: list[Client] = []
        *_, carol, dave = self.people
        self.ignored = {user.id: [carol.id] if user is dave else [] for user in self.people}

    @property
    def users(self) -> list[User]:
        """All sessions."""
        return [*self.people, self.witness, *(client.user for client in self.clients)]

    async def begin(self) -> None:
        """Rooms, and devices; dave ignores carol."""
        await self.walk.begin()
        *_, carol, dave = self.people
        await dave.ignore(carol)
        for user in self.people:
            for name, kind in kinds(self.people[0].id, self.walk.rooms[0]).items():
                self.clients.append(Client(await user.log_in_again(), name, kind, self.ignored[user.id]))

    async def go_on(self) -> None:
        """One act with a sync after it, or many of both at once."""
        if self.dice.random() < 0.2:
            await self.burst()
            return
        await self.walk.step()
        client = self.dice.choice(self._eager())
        if client.kind.returns and self.dice.random() < 0.3:
            await client.log_in_again()
        await client.catch_up(self.dice)

    async def burst(self, *others: Coroutine[Any, Any, None]) -> None:
        """Several people act and several clients sync in the same moment, while others do what they do."""
        some = dict.fromkeys(self.dice.sample(self._eager(), 3))
        syncs = [client.catch_up(random.Random(self.dice.random())) for client in some]
        await self.walk.burst(self.dice.choice((2, 4, 8)), *syncs, *others)

    def _eager(self) -> list[Client]:
        return [client for client in self.clients for _ in range(client.kind.eagerness)]

    async def check(self, *, all_of_them: bool) -> None:
        """Everybody's world is the server's; who is long offline comes at the end, or now and then."""
        everything = {room: await self.witness.history(room, "f", limit=100) for room in self.walk.rooms}
        for room, sent in self.walk.said.items():
            assert len(set(ids(everything[room]))) == len(everything[room])
            assert set(sent) <= set(ids(everything[room]))
        for user in self.people:
            told = await truth.ask(user, self.walk.rooms)
            self._check_history(user, told, everything)
            for client in self.clients:
                if client.user.id != user.id:
                    continue
                if client.kind.eagerness or all_of_them or self.dice.random() < 0.1:
                    await client.catch_up(self.dice)
                    client.check(told, self.walk.forgot)

    def _check_history(self, user: User, told: truth.Truth, everything: dict[str, list[Json]]) -> None:
        """What somebody is told of rooms is what the witness saw, as far as they may see it."""
        for room, seen in told.history.items():
            happened = everything[room]
            newest = {(e["type"], e["state_key"]): e["event_id"] for e in happened if "state_key" in e}
            if room in told.joined:
                truth.same(told.state[room], newest, f"{user.id}, state of {room}")
            elif (user.id, room) in self.walk.forgot or not truth.was_in(user.id, happened):
                continue  # a stranger to the room, who sees as much of it as it is open to the world
            hidden = {e["event_id"] for e in happened if e["sender"] in self.ignored[user.id] and "state_key" not in e}
            expected = [event for event in truth.visible(user.id, happened) if event not in hidden]
            truth.same(ids(seen), expected, f"{user.id}, history of {room}")
