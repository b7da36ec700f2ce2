"""Walks over the graph of auth events in the database, by number and in bulk: what authorizes what, in both directions.

The auth depth of an event is its number. An event is stored after its auth events, whose numbers its edges carry, so
its number is the larger one: `CHECK (auth < event)` holds the table to that. No depth is kept, and no graph has a
cycle, not even where the sender chooses the event ids (room versions 1 and 2).
"""

from collections.abc import Collection, Iterable, Mapping

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.resolution.differences import reached_up
from oriz_matrix.storage import events
from oriz_matrix.storage.room_state import Part
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

Edges = dict[EventNid, list[EventNid]]


def cited(tx: Transaction, nids: Collection[EventNid]) -> Edges:
    """The auth events of each of the events."""
    sql = "SELECT event, auth FROM auth_edges WHERE event = ANY(:events)"
    return _gathered(nids, tx.rows(sql, events=list(nids)) if nids else ())


def chain(tx: Transaction, nids: Iterable[EventNid]) -> set[EventNid]:
    """All that the events cite, and what that cites, down to the create event."""
    found: set[EventNid] = set()
    level = set(nids)
    while level:
        level = {auth for auths in cited(tx, level).values() for auth in auths} - found
        found |= level
    return found


def citing(tx: Transaction, nids: Collection[EventNid]) -> Edges:
    """The state events that list each of the events among their auth events."""
    sql = "SELECT auth, event FROM auth_edges WHERE auth = ANY(:events)"
    return _gathered(nids, tx.rows(sql, events=list(nids)) if nids else ())


def _gathered(nids: Iterable[EventNid], pairs: Iterable[tuple[EventNid, ...]]) -> Edges:
    found: Edges = {nid: [] for nid in nids}
    for one, other in pairs:
        found[one].append(other)
    return found


def rejected(tx: Transaction, nids: Collection[EventNid]) -> set[EventNid]:
    """Those of the events that were rejected."""
    sql = "SELECT event FROM event_status WHERE event = ANY(:events) AND rejected IS NOT NULL"
    return {nid for (nid,) in tx.rows(sql, events=list(nids))} if nids else set()


def standing(tx: Transaction, part: Part, nids: Collection[EventNid]) -> set[EventNid]:
    """Those of the events that stand in a part of a state."""
    sql = """
        SELECT s.event FROM event_status s JOIN state_entries e ON e.branch = :branch AND e.state_key = s.state_key
        WHERE s.event = ANY(:events) AND NOT s.state_key = ANY(:without) AND e.event = s.event AND e.since =
            (SELECT max(since) FROM state_entries
            WHERE branch = :branch AND state_key = s.state_key AND since <= :position)
    """
    rows = tx.rows(sql, events=list(nids), without=part.without, **part.trunk._asdict()) if nids else ()
    return {nid for (nid,) in rows} | part.more.intersection(nids)


class Upwards:
    """Finds out what the events of a part of a state reach, by walks up (see `protocol.resolution.differences`).

    Where anything that cites an event stands in the part, one such is enough: nearly all of a large room cites its
    create event. All that cite an event are read only where none is found so. Nothing is read twice.
    """

    def __init__(self, tx: Transaction, part: Part) -> None:
        self._tx = tx
        self._part = part
        self._citing: Edges = {}
        self._stands: dict[EventNid, bool] = {}

    def reached(self, nids: Collection[EventNid]) -> set[EventNid]:
        """Those of the events that an event of the part reaches."""
        return reached_up(nids, self._above, self._standing)

    def _above(self, nids: Collection[EventNid]) -> Edges:
        new = [nid for nid in nids if nid not in self._citing]
        found = _one_standing(self._tx, self._part, new)
        self._citing.update(citing(self._tx, [nid for nid in new if nid not in found]))
        self._citing.update((auth, [nid]) for auth, nid in found.items())
        self._stands.update(dict.fromkeys(found.values(), True))
        return {nid: self._citing[nid] for nid in nids}

    def _standing(self, nids: Collection[EventNid]) -> set[EventNid]:
        new = [nid for nid in nids if nid not in self._stands]
        found = standing(self._tx, self._part, new)
        self._stands.update((nid, nid in found) for nid in new)
        return {nid for nid in nids if self._stands[nid]}


def _one_standing(tx: Transaction, part: Part, nids: Collection[EventNid]) -> dict[EventNid, EventNid]:
    """For each of the events one that cites it and stands in the trunk's share of the part, if there is any."""
    # The newest first: the older ones are more likely to have been replaced.
    sql = """
        SELECT value, (
            SELECT c.event FROM auth_edges c CROSS JOIN event_status s CROSS JOIN state_entries e
            WHERE c.auth = value AND s.event = c.event AND NOT s.state_key = ANY(:without)
                AND e.branch = :branch AND e.state_key = s.state_key AND e.event = c.event AND e.since =
                    (SELECT max(since) FROM state_entries
                    WHERE branch = :branch AND state_key = s.state_key AND since <= :position)
            ORDER BY c.event DESC LIMIT 1
        ) FROM EACH(:events)
    """
    rows = tx.rows(sql, events=list(nids), without=part.without, **part.trunk._asdict()) if nids else ()
    return {auth: event for auth, event in rows if event is not None}


class StoredEvents:
    """The `Source` of a state resolution: it speaks of ids, the database of numbers.

    Events are given as they were sent, without regard to redactions: those are no part of a state, so two servers that
    know different ones must still agree. Every id that is asked for must be stored; KeyError otherwise.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._numbers: dict[EventId, EventNid] = {}
        self._ids: dict[EventNid, EventId] = {}
        self._cited: Edges = {}

    def ids(self, nids: Iterable[EventNid]) -> dict[EventNid, EventId]:
        """The ids behind numbers."""
        wanted = list(nids)
        self._learn(events.ids(self._tx, {nid for nid in wanted if nid not in self._ids}))
        return {nid: self._ids[nid] for nid in wanted}

    def numbers(self, ids: Collection[EventId]) -> dict[EventId, EventNid]:
        """The numbers behind ids."""
        found = events.find(self._tx, {i for i in ids if i not in self._numbers})
        self._learn({nid: i for i, nid in found.items()})
        return {i: self._numbers[i] for i in ids}

    def _learn(self, ids: Mapping[EventNid, EventId]) -> None:
        self._ids.update(ids)
        self._numbers.update((i, nid) for nid, i in ids.items())

    def events(self, ids: Collection[EventId]) -> Mapping[EventId, Event]:
        """The events by id."""
        numbers = self.numbers(ids)
        found = events.load(self._tx, numbers.values())
        return {i: found[nid] for i, nid in numbers.items()}

    def rejected(self, ids: Collection[EventId]) -> Collection[EventId]:
        """Those of the ids that were rejected."""
        return {self._ids[nid] for nid in rejected(self._tx, self.numbers(ids).values())}

    def auth_edges(self, ids: Collection[EventId]) -> Mapping[EventId, Collection[EventId]]:
        """The auth events of each; a walk asks for few at a time, so all that it has met are read together."""
        numbers = self.numbers(ids)
        if not self._cited.keys() >= set(numbers.values()):
            new = cited(self._tx, self._ids.keys() - self._cited.keys())
            self._cited.update(new)
            self.ids({auth for auths in new.values() for auth in auths})
        return {i: [self._ids[auth] for auth in self._cited[nid]] for i, nid in numbers.items()}

    def auth_depths(self, ids: Collection[EventId]) -> Mapping[EventId, int]:
        """The auth depth of each: its number."""
        return self.numbers(ids)
