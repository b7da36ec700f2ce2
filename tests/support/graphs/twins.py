"""Two homeservers that hear of one graph in different orders, and must come to the same state."""

import random
from collections.abc import Sequence

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.protocol.identifiers import EventId
from tests.scenarios.truth import same
from tests.support.graphs.expected import Story
from tests.support.graphs.graph import Graph
from tests.support.graphs.growing import Growth
from tests.support.graphs.others import NAMES, Others
from tests.support.graphs.play import settled
from tests.support.graphs.seen import look
from tests.support.homeserver import Home

GROWS = 50


class Twins:
    """The homeservers, with somebody of each in a room of the simulated servers."""

    def __init__(self, homes: Sequence[Home], clock: FakeClock, seed: int, version: str) -> None:
        self.homes = homes
        self.clock = clock
        self.dice = random.Random(seed)
        self.graph = Graph(version)
        self.growth = Growth(self.graph, self.dice, clock.now_ms)
        self.others = Others(self.graph, random.Random(seed + 1), clock.now_ms)
        self.others.template = lambda _server, user_id: self.growth.template(user_id)

    async def begin(self) -> None:
        """The room is founded, grows, and is joined by somebody of each homeserver."""
        self.others.homes = {home.config.server_name: home for home in self.homes}
        self.growth.found({})
        for home in self.homes:
            for _ in range(self.dice.choice((0, 10))):
                self.growth.grow()
            self.growth.made_public()
            alice = await home.user("alice")
            await alice.join(self.graph.room_id, via=[NAMES[0]])
            self.growth.untouchable.add(alice.id)
            self.growth.heard(*(event.event_id for event in self.others.taken))

    async def hear(self) -> None:
        """Each hears of everything that happens in an order of its own, and at last of what joins it all."""
        for _ in range(GROWS):
            self.growth.grow()
        everything = list(self.graph.events)
        for home in self.homes:
            await self._hears(home, self.dice.sample(everything, len(everything) * 4 // 5))
        last = [event.event_id for event in self.growth.merge()]
        for home in self.homes:
            await self._hears(home, last)

    async def _hears(self, home: Home, ids: Sequence[EventId]) -> None:
        left = list(ids)
        while left:
            size = self.dice.choice((1, 3, 10, 50))
            pdus = [self.graph.pdus[each] for each in left[:size]]
            await self.others.send(home, self.dice.choice(NAMES), pdus)
            left = left[size:]
            await settled(home, self.clock, self.graph.room_id)

    async def _can_agree(self, end: EventId) -> bool:
        """Whether all is heard and joined: a resolution with what stands upon nothing can put people out of a room."""
        rooms = [(await look(home, self.graph.room_id)).room for home in self.homes]
        return end not in self.graph.rejected and all(room.joined > room.elsewhere for room in rooms)

    async def check(self) -> None:
        """Both have the state of the whole graph."""
        (end,) = self.graph.tips()
        if not await self._can_agree(end):
            return
        for home in self.homes:
            seen = await look(home, self.graph.room_id)
            Story(self.graph, home.config.server_name).tell(seen)
            same([event_id for event_id, _ in seen.room.extremities], [end], f"the end at {home.config.server_name}")
            same(seen.current, self.graph.after[end], f"the state at {home.config.server_name}")
