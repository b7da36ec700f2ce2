"""Room summaries: who is in a room, so that a client can name it. Source: client-server API, "Syncing", RoomSummary."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import interning, membership
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction


class Summary(NamedTuple):
    """Counts, and the first few others who are in the room or invited, or else who were; None where it has a name."""

    heroes: Sequence[UserId] | None
    joined: int
    invited: int


def summary(tx: Transaction, window: Window, room: Room, *, named: bool) -> Summary:
    """A room's summary as the reader gets it; heroes only where the room has no name."""
    if named:
        return Summary(None, room.joined, room.invited)
    heroes = membership.heroes(tx, room.nid, window.reader.user, ("join", "invite"), window.upto)
    if not heroes:
        heroes = membership.heroes(tx, room.nid, window.reader.user, ("leave", "ban"), window.upto)
    names = interning.user_ids(tx, heroes)
    return Summary([names[hero] for hero in heroes], room.joined, room.invited)
