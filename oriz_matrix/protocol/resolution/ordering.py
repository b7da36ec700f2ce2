"""The two orders in which state resolution version 2 judges events. Source: room version 2, "Definitions"."""

import math
from collections.abc import Collection
from heapq import heapify, heappop, heappush

from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS, Create, Level, PowerLevels
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution.source import Known


def power_order(ids: Collection[EventId], known: Known) -> list[EventId]:
    """The reverse topological power ordering, earliest first: Kahn's algorithm over the auth edges among the ids.

    Of the events whose auth events are done the next is that of the sender with the greatest power, then the oldest,
    then the one with the smallest id. The events are loaded with their auth events.
    """
    waits_for = {i: {a for a in known[i].auth_event_ids if a in ids} for i in ids}
    dependants: dict[EventId, list[EventId]] = {i: [] for i in ids}
    for event_id, cited in waits_for.items():
        for auth_id in cited:
            dependants[auth_id].append(event_id)
    keys = {i: (-sender_level(known[i], known), known[i].origin_server_ts, i) for i in ids}
    ready = [keys[i] for i, cited in waits_for.items() if not cited]
    heapify(ready)
    order: list[EventId] = []
    while ready:
        event_id = heappop(ready)[2]
        order.append(event_id)
        for dependant in dependants[event_id]:
            waits_for[dependant].discard(event_id)
            if not waits_for[dependant]:
                heappush(ready, keys[dependant])
    return order


def sender_level(event: Event, known: Known) -> Level:
    """The power of the event's sender by the event's own auth events; loaded with them before."""
    state = known.auth_state(event)
    create = state.get(CREATE)
    return PowerLevels(Create(create), state.get(POWER_LEVELS)).user(event.sender) if create is not None else 0


def mainline_order(ids: Collection[EventId], power_levels: EventId | None, known: Known) -> list[EventId]:
    """The mainline ordering based on a power levels event, or on none: then all positions are equal."""
    mainline: dict[EventId, float] = {}
    ancestor = power_levels
    while ancestor is not None:
        mainline[ancestor] = len(mainline)
        ancestor = known.power_levels_before(ancestor)
    keys = {i: (-_position(i, mainline, known), known[i].origin_server_ts, i) for i in ids}
    return sorted(ids, key=keys.__getitem__)


def _position(event_id: EventId, positions: dict[EventId, float], known: Known) -> float:
    """Where the event's power levels, or those before them, meet the mainline; infinity when they never do.

    What is found is added to `positions` for all power levels events on the way.
    """
    passed: list[EventId] = []
    ancestor = known.power_levels_before(event_id)
    while ancestor is not None and ancestor not in positions:
        passed.append(ancestor)
        ancestor = known.power_levels_before(ancestor)
    position = positions[ancestor] if ancestor is not None else math.inf
    positions.update(dict.fromkeys(passed, position))
    return position
