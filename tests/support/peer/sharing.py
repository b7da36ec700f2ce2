"""A room that somebody on a server shares with a peer: where most tests with a peer begin."""

from tests.plays.person import Person
from tests.plays.stage import Stage
from tests.support.peer import acts
from tests.support.peer.peer import Peer
from tests.support.peer.room import PeerRoom


class Shared:
    """Alice, in a room of her own server that Zoe, of the peer, has joined."""

    def __init__(self, stage: Stage, letter: str, alice: Person, room: PeerRoom) -> None:
        self.stage = stage
        self.letter = letter
        self.alice = alice
        self.room = room

    async def say(self, *what: str) -> list[str]:
        """Alice says several things; their ids."""
        return [await self.alice.say(self.room.room_id, text) for text in what]


async def shared(stage: Stage, letter: str, peer: Peer) -> Shared:
    """Alice lives on the server of that letter."""
    alice = await stage.person(f"{letter}lice")
    room_id = await stage.public_room(alice)
    return Shared(stage, letter, alice, await acts.join(peer, alice.at, room_id, "zoe"))
