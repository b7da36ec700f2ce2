"""What another server that is in a room may have of its events, by the rules of history visibility (traps.md 30).

An event that it may not have goes out redacted, so that the graph has no hole. What was redacted here goes out so too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from oriz_matrix.protocol.event_contents import HISTORY_VISIBILITY, history_visibility
from oriz_matrix.protocol.events import redacted
from oriz_matrix.protocol.identifiers import ServerName, domain_of
from oriz_matrix.protocol.visibility import STRICTEST, visible_to_server
from oriz_matrix.services.federation_answers.walk import Found
from oriz_matrix.storage import events, graph, interning, membership, room_state
from oriz_matrix.storage.membership import Stay
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, BranchNid, EventNid, Position, RoomNid, StateKeyNid

FROM_OPEN = ("world_readable", "shared", "invited", "joined")


def pdus(tx: Transaction, room: RoomNid, origin: ServerName, found: Sequence[Found]) -> list[bytes]:
    """The events as they go out to a server that is in the room."""
    hidden = _hidden(tx, room, origin, found)
    return [
        (redacted(each.event) if each.node.is_redacted or each.node.event in hidden else each.event).encoded
        for each in found
    ]


def _hidden(tx: Transaction, room: RoomNid, origin: ServerName, found: Sequence[Found]) -> set[EventNid]:
    """Those of the events that a server which is in the room may not have: it joined them, or joins after them."""
    visibility = _Visibility(tx, room, found)
    around = {each.node.event: visibility.around(each) for each in found if domain_of(each.event.sender) != origin}
    closed = [
        each
        for each in found
        if each.node.event in around and not visible_to_server(around[each.node.event], (), joins_later=True)
    ]
    hidden = {each.node.event for each in closed}
    places = {each.node.event: Position(each.node.place.position) for each in closed if each.node.place}
    known = [each.node.event for each in closed if each.node.before is not None]
    if known:
        times = [places[event] for event in known]
        stays = membership.stays_of_server(tx, room, origin, min(times), max(times))
        kinds = {kind: _Times(stay for stay in stays if stay.membership == kind) for kind in ("join", "invite")}
        for event in known:
            then = [kind for kind, held in kinds.items() if held.at(places[event])]
            if visible_to_server(around[event], then, joins_later=True):
                hidden.remove(event)
    return hidden


class _Visibility:
    """The history visibility of a room through time, as far as some of its events need it."""

    def __init__(self, tx: Transaction, room: RoomNid, found: Sequence[Found]) -> None:
        unknown = {each.node.place.position for each in found if each.node.place and each.node.before is None}
        keys = interning.find_state_keys(tx, [HISTORY_VISIBILITY])
        changes, fetched = [], []
        for key in keys.values():
            changes = _changes(tx, room, key)
            fetched = graph.fetched(tx, room, key, [Position(each) for each in sorted(unknown)])
        said = {event for _, event in changes if event is not None} | {event for _, event in fetched}
        bodies = events.load(tx, said)
        self._positions = [at for at, _ in changes]
        self._values = [history_visibility(None if event is None else bodies[event]) for _, event in changes]
        self._fetched: dict[int, list[tuple[int, str]]] = {}
        for place, event in fetched:
            self._fetched.setdefault(place.position, []).append((place.back, history_visibility(bodies[event])))

    def around(self, found: Found) -> Collection[str]:
        """The values before and after an event; of one that stands outside the timeline, what amounts to them.

        What is no part of the timeline is part of the state or of its auth chain, which every server in the room gets
        in full; anything else of which nothing is known is closed.
        """
        node = found.node
        if node.place is None:
            return ("world_readable",) if node.is_state else (STRICTEST,)
        before, after = self._on_trunk(node.place.position)
        if node.before is not None:
            return (before, after)
        # Fetched into the gap before what stands at its position: from there back nothing is left out. So where no
        # change was met on the way, what holds at the end of the gap held here.
        changes = self._fetched.get(node.place.position, [])
        if not changes:
            return (max(before, after, key=FROM_OPEN.index),)
        passed = [value for back, value in changes if back <= node.place.back]
        own = any(back == node.place.back for back, _ in changes)
        return passed[-2 if own else -1 :] or (STRICTEST,)

    def _on_trunk(self, position: int) -> tuple[str, str]:
        before, after = bisect_left(self._positions, position), bisect_right(self._positions, position)
        return self._values[before - 1] if before else "shared", self._values[after - 1] if after else "shared"


def _changes(tx: Transaction, room: RoomNid, key: StateKeyNid) -> list[tuple[Position, EventNid | None]]:
    """What stood under a key of the room's current state from which position on, over all its trunks."""
    trunks = graph.trunks(tx, room)
    courses = room_state.course(tx, [branch for _, branch in trunks], key)
    found: list[tuple[Position, EventNid | None]] = []
    for (start, branch), (end, _) in pairwise([*trunks, (FOREVER, BranchNid(0))]):
        here = [(max(since, start), event) for since, event in courses.get(branch, []) if since < end]
        found += here if here and here[0][0] == start else [(start, None), *here]
    return found


class _Times:
    """When somebody was there, both ends of each stay included."""

    def __init__(self, stays: Iterable[Stay]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for stay in sorted(stays):
            if self._ends and stay.since <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], stay.until)
            else:
                self._starts.append(stay.since)
                self._ends.append(stay.until)

    def at(self, position: int) -> bool:
        """Whether anybody was, just before or just after a position."""
        before = bisect_right(self._starts, position)
        return before > 0 and position <= self._ends[before - 1]
