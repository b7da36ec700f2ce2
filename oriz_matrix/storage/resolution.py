"""State resolution over stored states: reads the keys on which they differ, and never a whole state or auth chain."""

from collections.abc import Collection, Mapping, Sequence

from oriz_matrix.protocol import resolution
from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import interning, room_state, rooms
from oriz_matrix.storage.authchains import StoredEvents, Upwards
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid, StateKeyNid

Side = dict[StateKeyNid, EventNid | None]
"""The events of one state under the keys that differ; None where it has none."""


def resolve(tx: Transaction, room: RoomNid, states: Sequence[StateAt]) -> Side:
    """What the resolved state of several states has otherwise than the first of them; None where it has no event.

    The states belong to one room, and all their events are stored with their whole auth chains.
    """
    first, *others = states
    sides = _sides(tx, first, others)
    source = StoredEvents(tx)
    agreed = StoredAgreed(tx, first, sides[0].keys(), source)
    version = rooms.name(tx, room).version
    resolved = resolution.resolve(version, _named(tx, sides, source), agreed, source) if sides[0] else {}
    after = _numbered(tx, resolved, source)
    before = {**room_state.get(tx, first, [key for key in after if key not in sides[0]]), **sides[0]}
    return {key: after.get(key) for key in {**before, **after} if after.get(key) != before.get(key)}


def _sides(tx: Transaction, first: StateAt, others: Sequence[StateAt]) -> list[Side]:
    """Every state under the keys on which not all are like the first."""
    differences = [room_state.difference(tx, first, other) for other in others]
    base: Side = {key: event for found in differences for key, (event, _) in found.items()}
    return [base, *({**base, **{key: event for key, (_, event) in found.items()}} for found in differences)]


def _named(tx: Transaction, sides: Sequence[Side], source: StoredEvents) -> list[Mapping[StateKey, EventId | None]]:
    """The sides as a resolution takes them."""
    keys = interning.state_keys(tx, sides[0])
    ids = source.ids({event for side in sides for event in side.values() if event is not None})
    return [{keys[key]: None if event is None else ids[event] for key, event in side.items()} for side in sides]


def _numbered(tx: Transaction, state: Mapping[StateKey, EventId], source: StoredEvents) -> Side:
    """The reverse, of what a resolution gives back; its events are stored, so their keys have numbers."""
    keys, numbers = interning.find_state_keys(tx, list(state)), source.numbers(state.values())
    return {keys[key]: numbers[event_id] for key, event_id in state.items()}


class StoredAgreed:
    """The `Agreed` of a state resolution: a stored state, but for the keys that differ."""

    def __init__(
        self, tx: Transaction, state: StateAt, differing: Collection[StateKeyNid], source: StoredEvents
    ) -> None:
        self._tx = tx
        self._state = state
        self._differing = differing
        self._source = source
        self._upwards = Upwards(tx, room_state.part(tx, state, differing))

    def at(self, keys: Collection[StateKey]) -> Mapping[StateKey, EventId]:
        """The agreed events of those of the keys that have one."""
        numbers = interning.find_state_keys(self._tx, sorted(keys))
        names = {nid: key for key, nid in numbers.items() if nid not in self._differing}
        found = room_state.get(self._tx, self._state, list(names))
        ids = self._source.ids(found.values())
        return {names[nid]: ids[event] for nid, event in found.items()}

    def reaching(self, ids: Collection[EventId]) -> Collection[EventId]:
        """Those of the ids that lie in the auth chain of any event of the agreed state."""
        reached = self._upwards.reached(self._source.numbers(ids).values())
        return self._source.ids(reached).values()
