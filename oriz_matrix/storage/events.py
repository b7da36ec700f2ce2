"""What events say: bodies by number and by id, cached after the commit that brought them; a whole copy of an event may
replace a redacted one, else they never change."""

from collections.abc import Iterable, Mapping, Sequence

from oriz_matrix.protocol.events import Event, redacted
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import rooms
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid


def add(tx: Transaction, room: RoomNid, new: Mapping[EventNid, Event]) -> None:
    """Stores the bodies of events under numbers drawn for them. Raises Duplicate when one is there already."""
    sql = "INSERT INTO events (nid, event_id, room, body) VALUES (:nid, :event_id, :room, :body)"
    tx.many(
        sql,
        [{"nid": nid, "event_id": event.event_id, "room": room, "body": event.encoded} for nid, event in new.items()],
    )
    for nid, event in new.items():
        _learn(tx, nid, event)


def replace(tx: Transaction, nid: EventNid, event: Event) -> None:
    """Stores another copy of an event, with the same id: one that says more."""
    tx.run("UPDATE events SET body = :body WHERE nid = :nid", nid=nid, body=event.encoded)
    _learn(tx, nid, event)


def load(tx: Transaction, nids: Iterable[EventNid]) -> dict[EventNid, Event]:
    """Events by number; those that are not there are left out."""
    found, absent = _cached(tx, nids)
    if absent:
        sql = "SELECT nid, event_id, room, body FROM events WHERE nid = ANY(:nids)"
        rows = tx.rows(sql, nids=absent)
        names = {room: rooms.name(tx, room) for room in {row[2] for row in rows}}
        for nid, event_id, room, body in rows:
            event = Event(names[room].version, event_id, names[room].room_id, None, body)
            found[nid] = event
            _learn(tx, nid, event)
    return found


def bodies(tx: Transaction, nids: Sequence[EventNid]) -> dict[EventNid, bytes]:
    """The canonical JSON of events as they were sent, in the order of their numbers; nothing is decoded or cached."""
    sql = "SELECT nid, body FROM events WHERE nid = ANY(:nids) ORDER BY nid"
    return dict(tx.rows(sql, nids=nids)) if nids else {}


def _cached(tx: Transaction, nids: Iterable[EventNid]) -> tuple[dict[EventNid, Event], list[EventNid]]:
    """The events that are in memory, and the numbers of those that are not."""
    found: dict[EventNid, Event] = {}
    absent = []
    for nid in nids:
        event = tx.caches.events.get(nid)
        if event is None:
            absent.append(nid)
        else:
            found[nid] = event
    return found, absent


def _learn(tx: Transaction, nid: EventNid, event: Event) -> None:
    def publish() -> None:
        tx.caches.events.put(nid, event.as_stored())
        if event.is_state:
            tx.caches.event_nids.put(event.event_id, nid)

    tx.after_commit(publish)


def find(tx: Transaction, event_ids: Iterable[EventId]) -> dict[EventId, EventNid]:
    """The numbers of those events that are stored."""
    found: dict[EventId, EventNid] = {}
    absent = []
    for event_id in event_ids:
        nid = tx.caches.event_nids.get(event_id)
        if nid is None:
            absent.append(event_id)
        else:
            found[event_id] = nid
    if absent:
        sql = "SELECT event_id, nid FROM events WHERE event_id = ANY(:event_ids)"
        found.update(tx.rows(sql, event_ids=absent))
    return found


def ids(tx: Transaction, nids: Iterable[EventNid]) -> dict[EventNid, EventId]:
    """The ids of events by number; those that are not there are left out."""
    known, absent = _cached(tx, nids)
    found = {nid: event.event_id for nid, event in known.items()}
    if absent:
        sql = "SELECT nid, event_id FROM events WHERE nid = ANY(:nids)"
        found.update(tx.rows(sql, nids=absent))
    return found


def link_auth(tx: Transaction, edges: Sequence[tuple[EventNid, EventNid]]) -> None:
    """Stores which events authorize a state event, as (event, authorizing event)."""
    sql = "INSERT INTO auth_edges (event, auth) VALUES (:event, :auth)"
    tx.many(sql, [{"event": event, "auth": auth} for event, auth in edges])


def effective(tx: Transaction, nids: Sequence[EventNid]) -> dict[EventNid, Event]:
    """Events as they stand after redactions: what authorization, state answers and previous contents use."""
    found = load(tx, nids)
    for nid in redactions(tx, nids):
        if nid in found:
            found[nid] = redacted(found[nid])
    return found


def redactions(tx: Transaction, nids: Sequence[EventNid]) -> list[EventNid]:
    """Those of the events that were redacted."""
    sql = "SELECT event FROM event_status WHERE event = ANY(:events) AND redacted_by IS NOT NULL"
    return [nid for (nid,) in tx.rows(sql, events=nids)] if nids else []
