"""A peer forks its room at random, with bans, powers and rules in conflict: the server comes to the same state.

The peer resolves by the protocol's functions on whole states in memory; the server by what it has stored, branch by
branch, in whatever order events come.
"""

import random
from typing import Any

import pytest

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support import soak
from tests.support.peer.judging import JudgingRoom
from tests.support.peer.peer import Peer

QUICK_SECONDS = 1.0
STEPS = 40
RECENT = 7
OTHERS = ("yan", "xia", "wim")


class Forker:
    """Makes events upon any of the newest."""

    def __init__(self, peer: Peer, room: JudgingRoom, source: random.Random) -> None:
        self.room = room
        self.source = source
        self.founder = peer.user("zoe")
        self.users = [self.founder, *(peer.user(name) for name in OTHERS)]
        self.old = len(room.after) - 1

    def event(self) -> Event:
        """One more event; many are forbidden where they stand."""
        recent = list(self.room.after)[self.old :][-RECENT:]
        before = self.source.sample(recent, min(len(recent), self.source.choice([1, 1, 1, 2, 3])))
        sender, other = self.source.choice(self.users), self.source.choice(self.users[1:])
        kind, content, state_key = self.source.choice(
            [
                ("m.room.member", {"membership": "join"}, sender),
                ("m.room.member", {"membership": "join", "displayname": str(self.source.random())}, sender),
                ("m.room.member", {"membership": self.source.choice(["leave", "ban", "invite"])}, other),
                ("m.room.topic", {"topic": str(self.source.random())}, ""),
                ("m.room.name", {"name": str(self.source.random())}, ""),
                ("m.room.join_rules", {"join_rule": self.source.choice(["public", "invite"])}, ""),
                ("m.room.power_levels", self._levels(), ""),
                ("m.room.message", {"body": "x", "msgtype": "m.text"}, None),
            ]
        )
        return self.room.make(sender, kind, content, state_key, prev=before)

    def together(self, text: str) -> Event:
        """The founder says something upon all ends of the room."""
        return self.room.say(self.founder, text)

    def _levels(self) -> dict[str, Any]:
        users = {user: self.source.choice([0, 50, 100]) for user in self.users[1:]}
        if not self.room.version.privileged_creators:
            users[self.founder] = 100
        return {"users": users, "invite": self.source.choice([0, 50])}


async def play(alice: Person, zoe: Peer, version: str, seed: int) -> None:
    """One room, forked and joined again a few times."""
    source = random.Random(seed)
    room = JudgingRoom(version, zoe.name, zoe.key)
    room.found(zoe.user("zoe"))
    zoe.rooms[room.room_id] = room
    await alice.join(room.room_id, via=[zoe.name])
    forker = Forker(zoe, room, source)
    for turn in range(2):
        events = [forker.event() for _ in range(STEPS)]
        events.append(forker.together(f"together {turn}"))
        await zoe.send(alice.at, *events)
        await alice.hears(room.room_id, f"together {turn}")
        state = {key: event["event_id"] for key, event in (await alice.whole_state(room.room_id)).items()}
        expected: dict[tuple[str, str], EventId] = dict(room.state())
        assert state == expected, f"version {version}, {len(room.refused)} refused"


@pytest.mark.soak
@pytest.mark.parametrize(("letter", "version"), [*zip("ab" * 6, ROOM_VERSIONS, strict=True), ("a", "12")])
async def test_both_come_to_the_same_state(stage: Stage, zoe: Peer, letter: str, version: str) -> None:
    alice = await stage.person(f"{letter}lice")
    for seed in soak.seeds(QUICK_SECONDS):
        with soak.told(seed):
            await play(alice, zoe, version, seed)
