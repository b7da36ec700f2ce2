"""The three sets of events that state resolution needs from the auth graph, found by short walks.

Which event "reaches" which: an event reaches its auth events, theirs, and so on (not itself); what it reaches is its
auth chain. Each function walks from a few events downwards and stops where nothing new can come; auth depths (see
`AuthGraph`) tell it where. No function needs a whole state.

The auth difference without whole states. Let U be the events of the agreed state, D1..Dn the other events of the n
states, and C(X) the union of the auth chains of X. State i has the full chain C(U) ∪ C(Di). An event is in the auth
difference when it is in some full chain and not in all. What is in C(U) is in all of them, so

    difference = { x in C(D1) ∪ ... ∪ C(Dn) : x not in every C(Di), and x not in C(U) }.

`auth_difference` walks down from the Di, which tells the first condition. For the second it asks, on its way, which of
the events that it has met and not yet found common are in C(U). All that such an event reaches is in C(U) too, so the
walk need not go below: in a short fork it ends after one or two steps, even where one state lacks the key altogether.
About events of the conflicted set (or the conflicted subgraph) it does not ask, because they belong to the full
conflicted set either way.

For C(U) there are two ways. `reached_down` walks down from U, no deeper than the candidates lie: right when U is at
hand. `reached_up` walks from the candidates to the state events that cite them, until it meets an event of U: right
when U is large and a store can answer "who cites this" and "is this in the state".
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution.source import AuthGraph

E = TypeVar("E", bound=Hashable)
"""An event id, or what a store has instead."""

Reaching = Callable[[Collection[EventId]], Collection[EventId]]
"""Those of the ids that some event of the agreed state reaches."""


def auth_difference(
    sides: Sequence[Collection[EventId]], graph: AuthGraph, reaching: Reaching, settled: Collection[EventId] = ()
) -> set[EventId]:
    """The events that some states' chains hold and others do not; `sides` are the events on which the states differ.

    Each event carries a bit mask of the sides that reach it, final when all deeper ones are done. The walk ends when
    every state reaches all that is left to visit. Events of `settled` are not asked about; what of them is in the
    answer may yet be common to all states.
    """
    everyone = (1 << len(sides)) - 1
    held = _masks(sides)
    reached = dict.fromkeys(held, 0)
    pending = dict(graph.auth_depths(held.keys()))
    asked = set(settled)
    difference: set[EventId] = set()
    while any(reached[i] != everyone for i in pending):
        deepest = _take_deepest(pending)
        doubtful = {i for i in (*deepest, *pending) if reached[i] not in (0, everyone)} - asked
        if not doubtful.isdisjoint(deepest):
            asked |= doubtful
            reached.update(dict.fromkeys(reaching(doubtful), everyone))
        difference.update(i for i in deepest if reached[i] not in (0, everyone))
        new: set[EventId] = set()
        for event_id, cited in graph.auth_edges(deepest).items():
            for auth_id in cited:
                reached[auth_id] = reached.get(auth_id, 0) | reached[event_id] | held.get(event_id, 0)
            new.update(cited)
        pending.update(graph.auth_depths(new - pending.keys()))
    return difference


def _masks(sides: Sequence[Collection[EventId]]) -> dict[EventId, int]:
    """For each event the sides that hold it, one bit a side."""
    held: dict[EventId, int] = {}
    for number, side in enumerate(sides):
        for event_id in side:
            held[event_id] = held.get(event_id, 0) | 1 << number
    return held


def _take_deepest(pending: dict[EventId, int]) -> list[EventId]:
    """Remove the events of the largest depth; none of them reaches another."""
    depth = max(pending.values())
    deepest = [i for i, d in pending.items() if d == depth]
    for event_id in deepest:
        del pending[event_id]
    return deepest


def conflicted_subgraph(conflicted: Collection[EventId], graph: AuthGraph) -> set[EventId]:
    """All events on paths from a conflicted event to a conflicted event, both ends included (MSC4297).

    Such a path goes down from one conflicted event and ends in another, so never below the shallowest of them.
    """
    depths = dict(graph.auth_depths(conflicted))
    edges: dict[EventId, Collection[EventId]] = {}
    for level in _levels_above(conflicted, min(depths.values(), default=0), graph, depths):
        edges.update(level)
    between = set(conflicted)
    for event_id in sorted(edges, key=depths.__getitem__):
        if not between.isdisjoint(edges[event_id]):
            between.add(event_id)
    return between


def reached_down(candidates: Collection[EventId], tops: Collection[EventId], graph: AuthGraph) -> set[EventId]:
    """Those of the candidates that any of the tops reaches."""
    depths = dict(graph.auth_depths(tops))
    floor = min(graph.auth_depths(candidates).values(), default=0)
    reached: set[EventId] = set()
    for level in _levels_above(tops, floor, graph, depths):
        for cited in level.values():
            reached.update(cited)
    return reached.intersection(candidates)


def _levels_above(
    tops: Collection[EventId], floor: int, graph: AuthGraph, depths: dict[EventId, int]
) -> Iterator[Mapping[EventId, Collection[EventId]]]:
    """The auth edges of the tops and of what they reach above the floor depth, each event once; fills `depths`."""
    seen = set(tops)
    level = {i for i in seen if depths[i] > floor}
    while level:
        edges = graph.auth_edges(level)
        yield edges
        below = {a for cited in edges.values() for a in cited} - seen
        seen |= below
        depths.update(graph.auth_depths(below))
        level = {i for i in below if depths[i] > floor}


def reached_up(
    candidates: Collection[E],
    citing: Callable[[Collection[E]], Mapping[E, Collection[E]]],
    agreed: Callable[[Collection[E]], Collection[E]],
) -> set[E]:
    """Those of the candidates that an event of the agreed state reaches.

    `citing` gives the state events that list an event among their auth events; `agreed` those of the ids that stand in
    the agreed state. The walk does not go above the first agreed events that it meets.
    """
    cites: dict[E, set[E]] = {}
    hits = set(agreed(candidates))
    level, seen = set(candidates), set(candidates)
    while level:
        for event_id, citers in citing(level).items():
            for citer in citers:
                cites.setdefault(citer, set()).add(event_id)
        above = cites.keys() - seen
        hits.update(agreed(above))
        seen |= above
        level = above - hits
    return _closure(hits, cites).intersection(candidates)


def _closure(tops: Collection[E], edges: Mapping[E, Collection[E]]) -> set[E]:
    """What the tops reach over the edges."""
    reached: set[E] = set()
    pending = list(tops)
    while pending:
        below = set(edges.get(pending.pop(), ())) - reached
        reached |= below
        pending.extend(below)
    return reached
