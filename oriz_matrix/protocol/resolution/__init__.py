"""State resolution: one state out of the several that a fork of a room has brought about.

Pure: `resolve` gets only the keys on which the states differ, and asks for all else in bulk through the protocols of
`source`, so no whole state and no whole auth chain is ever loaded (architecture, "State"). What the states agree on
stays as it is and is not part of the answer.
"""

from collections.abc import Collection, Mapping, Sequence

from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution.differences import reached_down
from oriz_matrix.protocol.resolution.source import Agreed, AuthGraph, Source
from oriz_matrix.protocol.resolution.v1 import resolve_v1
from oriz_matrix.protocol.resolution.v2 import resolve_v2, resolve_v2_1
from oriz_matrix.protocol.room_versions import RoomVersion, StateResolution

__all__ = ["Agreed", "AgreedState", "AuthGraph", "Source", "resolve", "resolve_full"]

_ALGORITHMS = {
    StateResolution.V1: resolve_v1,
    StateResolution.V2: resolve_v2,
    StateResolution.V2_1: resolve_v2_1,
}


def resolve(
    version: RoomVersion, sides: Sequence[Mapping[StateKey, EventId | None]], agreed: Agreed, source: Source
) -> dict[StateKey, EventId]:
    """The resolved events of all keys on which the states do not agree.

    `sides` has a mapping for each state, with every key whose event is not the same in all states, and no other key;
    None (or a missing key) says that the state has no event there. The full resolved state is the agreed state and
    the answer together. A key of the sides that is not in the answer ends up without an event; the answer may name
    keys that no side has, whose events came from the auth chains.
    """
    return _ALGORITHMS[version.state_resolution](sides, agreed, source)


def resolve_full(
    version: RoomVersion, states: Sequence[Mapping[StateKey, EventId]], source: Source
) -> dict[StateKey, EventId]:
    """The same for whole states at hand; returns the whole resolved state."""
    first, *others = states
    agreed = {key: i for key, i in first.items() if all(other.get(key) == i for other in others)}
    sides = [{key: i for key, i in state.items() if key not in agreed} for state in states]
    if not any(sides):
        return agreed
    return {**agreed, **resolve(version, sides, AgreedState(agreed, source), source)}


class AgreedState:
    """`Agreed` over a whole agreed state in memory."""

    def __init__(self, ids: Mapping[StateKey, EventId], graph: AuthGraph) -> None:
        self._ids = ids
        self._graph = graph

    def at(self, keys: Collection[StateKey]) -> Mapping[StateKey, EventId]:
        """The agreed events of the keys."""
        return {key: self._ids[key] for key in keys if key in self._ids}

    def reaching(self, ids: Collection[EventId]) -> Collection[EventId]:
        """By a walk down from the whole state."""
        return reached_down(ids, self._ids.values(), self._graph)
