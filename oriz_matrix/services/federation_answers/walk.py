"""Walks from events of a room to those before them, level by level: what backfill and its like bring to other servers.

The graph stands in the events themselves. A walk mostly goes back through the timeline, so a stretch of that is read
whenever an event is met that was not read before, and most levels cost no query.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import events, graph
from oriz_matrix.storage.graph import Node
from oriz_matrix.storage.timeline import Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

WIDEST = 1_000
"""Events of one level that are looked for: one whose sender lists thousands before it does not hold us up."""


class Found(NamedTuple):
    """An event with its place."""

    node: Node
    event: Event


class Steps:
    """Reads events of one room by id, with what probably comes next."""

    def __init__(self, tx: Transaction, room: RoomNid, ahead: int) -> None:
        """`ahead`: how much of the timeline is read with an event."""
        self._tx = tx
        self._room = room
        self._ahead = ahead
        self._found: dict[EventId, Found] = {}

    def get(self, ids: Collection[EventId]) -> list[Found]:
        """Those of the events that stand in the timeline of this room, the newest first.

        Of others the state before them is not known here, so whoever asked could not judge them.
        """
        absent = [each for each in ids if each not in self._found]
        if absent:
            self._read(absent)
        return sorted((self._found[each] for each in ids if each in self._found), key=_order, reverse=True)

    def _read(self, ids: Sequence[EventId]) -> None:
        numbers = events.find(self._tx, ids).values()
        nodes = [n for n in graph.nodes(self._tx, list(numbers)) if n.room == self._room and n.place is not None]
        if places := [node.place for node in nodes if node.place is not None]:
            nodes += graph.nodes_before(self._tx, self._room, max(places), self._ahead)
        bodies = events.load(self._tx, {node.event for node in nodes})
        self._found.update((bodies[node.event].event_id, Found(node, bodies[node.event])) for node in nodes)


def back(
    steps: Steps, front: Iterable[EventId], limit: int, seen: Collection[EventId] = (), min_depth: int = 0
) -> list[Found]:
    """The events of `front` and what was before them, breadth first, of each level the newest first.

    What was `seen`, or is less deep than `min_depth`, is left out, and so is what only it leads to.
    """
    passed, found = set(seen), list[Found]()
    while len(found) < limit:
        level = [each for each in dict.fromkeys(front) if each not in passed][:WIDEST]
        if not level:
            break
        passed.update(level)
        reached = [each for each in steps.get(level) if each.event.depth >= min_depth]
        found += reached
        front = [each for one in reached for each in one.event.prev_event_ids]
    return found[:limit]


def in_order(found: Iterable[Found]) -> list[Found]:
    """Events as the room has them, the oldest first."""
    return sorted(found, key=_order)


def _order(found: Found) -> Place:
    """What stands outside the timeline came when its number was drawn."""
    return found.node.place or Place(found.node.event)
