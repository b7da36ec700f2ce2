"""One play: a homeserver and simulated servers in one room, whose graph grows, is delivered by pieces, and compared."""

import asyncio
import random
import time
from contextlib import suppress
from itertools import count
from typing import Any

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.storage import events, rooms
from oriz_matrix.storage.transaction import Transaction
from tests.scenarios.truth import same
from tests.support.graphs.expected import Story, missing
from tests.support.graphs.graph import Graph
from tests.support.graphs.growing import PEOPLE, ROSA, Growth
from tests.support.graphs.listening import Listener
from tests.support.graphs.others import NAMES, Others
from tests.support.graphs.seen import look, waiting
from tests.support.homeserver import Home
from tests.support.people import Refused, User

PATIENCE_S = 60.0
PAUSE_S = 601.0
"""Longer than the longest pause after which what could not be judged is tried again."""


class Play:
    """One play, from a seed, in a room version."""

    def __init__(self, home: Home, clock: FakeClock, seed: int, version: str) -> None:
        self.home = home
        self.clock = clock
        self.dice = random.Random(seed)
        self.graph = Graph(version)
        self.growth = Growth(self.graph, self.dice, clock.now_ms)
        self.others = Others(self.graph, random.Random(seed + 1), clock.now_ms)
        self.others.template = lambda _server, user_id: self.growth.template(user_id)
        self.unsent: list[EventId] = []
        self.sent: set[EventId] = set()

    async def begin(self, alice: User, bob: User) -> None:
        """The room is made here or elsewhere; people of both sides come in."""
        self.alice, self.bob = alice, bob
        self.growth.people.append(bob.id)
        self.growth.untouchable.add(alice.id)
        if self.dice.random() < 0.5:
            await self._begin_here()
        else:
            await self._begin_elsewhere()
        self.listeners = [Listener(alice, {}), Listener(alice, {"limit": 3}, after=True)]
        for listener in self.listeners:
            await listener.begin(self.graph.room_id)
        with suppress(Refused):  # somebody may have banned him
            await self.bob.join(self.graph.room_id)
        await self._learn()

    async def _begin_here(self) -> None:
        mine = {} if self.graph.version.privileged_creators else {self.alice.id: 100}
        levels = {"users": {**mine, ROSA: 100}, "events": {"m.room.topic": 0}, "state_default": 25}
        room_id = await self.alice.create_room(
            preset="public_chat", room_version=self.graph.version.name, power_level_content_override=levels
        )
        self.graph.room_id = RoomId(room_id)
        await self._learn()
        for user in PEOPLE[:3]:
            event = await self.others.join(self.home, user)
            self.growth.heard(event.event_id)

    async def _begin_elsewhere(self) -> None:
        self.growth.found({self.alice.id: 100})
        self.unsent += self.graph.events
        for _ in range(self.dice.choice((3, 30, 60))):
            self._grow()
        self.growth.made_public()
        await self.alice.join(self.graph.room_id, via=[NAMES[0]])
        self.growth.heard(*(event.event_id for event in self.others.taken))

    async def step(self) -> None:
        """Events are made and delivered, and somebody here does something."""
        for _ in range(self.dice.choice((1, 2, 3, 5, 8))):
            self._grow()
        await self._deliver(self.dice.choice((0, 1, 3, 8, 20)))
        for _ in range(self.dice.choice((0, 0, 1, 1, 3))):
            await self._act_here()
        for listener in self.listeners:
            if self.dice.random() < 0.5:
                await listener.hear()

    def _grow(self) -> None:
        event = self.growth.grow()
        if self.dice.random() < 0.85:
            self.unsent.append(event.event_id)

    async def _deliver(self, most: int) -> None:
        """Some of what was made, in some order, with some of what was sent before and some that is no event."""
        chosen = self.unsent[: most * 2]
        if self.dice.random() < 0.5:
            self.dice.shuffle(chosen)
        chosen = chosen[:most]
        self.unsent = [each for each in self.unsent if each not in chosen]
        if self.sent and self.dice.random() < 0.3:
            chosen.append(self.dice.choice(sorted(self.sent)))
        pdus: list[Any] = [self.graph.pdus[each] for each in chosen]
        pdus += self.growth.forged[: self.dice.choice((0, 1))]
        self.sent.update(chosen)
        while pdus:
            size = self.dice.choice((1, 1, 2, 5, 50))
            await self.others.send(self.home, self.dice.choice(NAMES), pdus[:size])
            pdus = pdus[size:]
            if self.dice.random() < 0.5:
                await self._settled()
        await self._settled()

    async def _settled(self) -> None:
        await settled(self.home, self.clock, self.graph.room_id)
        await self._learn()

    async def _act_here(self) -> None:
        user = self.dice.choice((self.alice, self.alice, self.bob))
        room, other = self.graph.room_id, self.dice.choice(PEOPLE[1:])
        value = str(self.dice.random())
        kind = self.dice.choice(("say", "say", "say", "topic", "seat", "kick", "ban", "invite", "join", "redact"))
        known = [row.event_id for row in (await look(self.home, room)).rows if row.position is not None]
        acts = {
            "say": lambda: user.say(room, value),
            "topic": lambda: user.set_state(room, "m.room.topic", {"topic": value}),
            "seat": lambda: user.set_state(room, "seat", {"seat": value}, "a"),
            "kick": lambda: user.set_state(room, "m.room.member", {"membership": "leave"}, other),
            "ban": lambda: user.set_state(room, "m.room.member", {"membership": "ban"}, other),
            "invite": lambda: user.set_state(room, "m.room.member", {"membership": "invite"}, other),
            "join": lambda: user.join(room),
            "redact": lambda: user.redact(room, self.dice.choice(known)),
        }
        try:
            await acts[kind]()
        except Refused as error:
            if error.status >= 500 and error.status != 502:  # those who were asked have answered badly
                raise
        await self._learn()

    async def _learn(self) -> None:
        """What was done here becomes part of the graph, and others hear of it."""
        found = await self.home.server.server.database.read(
            _made_here, self.graph.room_id, self.home.config.server_name
        )
        for event in found:
            if event.event_id not in self.graph.events:
                self.graph.add(event)
                assert event.event_id not in self.graph.rejected, event
                for server in NAMES:
                    if len(self.graph.events) < 12 or self.dice.random() < 0.7:
                        self.growth.hears(server, [event.event_id])

    async def is_over(self) -> bool:
        """Whether Alice is in the room no more: a resolution with what stands upon nothing can do that."""
        return (await look(self.home, self.graph.room_id)).members[self.alice.id][0] != "join"

    async def check(self) -> None:
        """Everything is as the graph says."""
        room = self.graph.room_id
        seen = await look(self.home, room)
        story = Story(self.graph, self.home.config.server_name)
        story.tell(seen)
        story.check_room(seen)
        same(missing(self.graph, seen, self.sent), set(), "events without a fate")
        same({row.event_id for row in seen.rows} - set(self.graph.events), set(), "events that nobody made")
        told = {key: event["event_id"] for key, event in (await self.alice.whole_state(room)).items()}
        same(told, story.graph.merged(story.ends()), "the state that clients are told")
        for listener in self.listeners:
            await listener.hear()
            listener.check(story)

    async def end(self) -> None:
        """All is delivered."""
        self.others.trouble = 0.0
        while self.unsent and not await self.is_over():
            await self._deliver(50)
        if not await self.is_over():
            await self.check()


async def settled(home: Home, clock: FakeClock, room_id: RoomId) -> None:
    """Waits until everything that came is judged."""
    receive = home.server.server.receive
    until = time.monotonic() + PATIENCE_S
    for turn in count():
        left = await waiting(home, room_id)
        if not left and room_id not in receive._working:
            return
        await asyncio.sleep(0.003)
        assert time.monotonic() < until, f"never judged: {left}"
        if turn % 10 == 9:
            await clock.advance(PAUSE_S)
            receive.poke(room_id)


def _made_here(tx: Transaction, room_id: RoomId, here: str) -> list[Event]:
    name = rooms.find(tx, room_id)
    assert name is not None
    sql = "SELECT nid FROM events WHERE room = :room ORDER BY nid"
    found = events.load(tx, [nid for (nid,) in tx.rows(sql, room=name.nid)])
    return [event for _, event in sorted(found.items()) if event.sender.endswith(f":{here}")]
