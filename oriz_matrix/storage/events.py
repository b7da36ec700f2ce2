"""What events say: bodies by number and by id, never changed, cached after the commit that brought them."""

from collections.abc import Iterable, Sequence

import msgspec

from oriz_matrix.protocol.events import Event, redacted
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import rooms
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid


def add(tx: Transaction, room: RoomNid, event: Event) -> EventNid:
    """Stores an event's body. Raises Duplicate when it is there already."""
    sql = "INSERT INTO events (event_id, room, body) VALUES (:event_id, :room, :body) RETURNING nid"
    nid = EventNid(tx.value(sql, event_id=event.event_id, room=room, body=event.encoded))
    tx.after_commit(lambda: tx.caches.events.put(nid, event))
    return nid


def load(tx: Transaction, nids: Iterable[EventNid]) -> dict[EventNid, Event]:
    """Events by number; those that are not there are left out."""
    found: dict[EventNid, Event] = {}
    absent = []
    for nid in nids:
        event = tx.caches.events.get(nid)
        if event is None:
            absent.append(nid)
        else:
            found[nid] = event
    if absent:
        sql = "SELECT nid, event_id, room, body FROM events WHERE nid = ANY(:nids)"
        for nid, event_id, room, body in tx.rows(sql, nids=absent):
            name = rooms.name(tx, room)
            event = Event(name.version, event_id, name.room_id, msgspec.json.decode(body))
            found[nid] = event
            _learn(tx, nid, event)
    return found


def _learn(tx: Transaction, nid: EventNid, event: Event) -> None:
    tx.after_commit(lambda: tx.caches.events.put(nid, event))


def find(tx: Transaction, event_ids: Sequence[EventId]) -> dict[EventId, EventNid]:
    """The numbers of those events that are stored."""
    sql = "SELECT event_id, nid FROM events WHERE event_id = ANY(:event_ids)"
    return dict(tx.rows(sql, event_ids=event_ids))


def link_auth(tx: Transaction, event: EventNid, auth_event_ids: Sequence[EventId]) -> None:
    """Stores which events authorize a state event."""
    found = find(tx, auth_event_ids)
    sql = "INSERT INTO auth_edges (event, auth) VALUES (:event, :auth)"
    tx.many(sql, [{"event": event, "auth": found[auth]} for auth in set(auth_event_ids)])


def effective(tx: Transaction, nids: Sequence[EventNid]) -> dict[EventNid, Event]:
    """Events as they stand after redactions: what authorization, state answers and previous contents use."""
    found = load(tx, nids)
    sql = "SELECT event FROM event_status WHERE event = ANY(:events) AND redacted_by IS NOT NULL"
    for (nid,) in tx.rows(sql, events=nids) if nids else ():
        if nid in found:
            found[nid] = redacted(found[nid])
    return found


def invite_states(tx: Transaction, nids: Sequence[EventNid]) -> dict[EventNid, bytes]:
    """The stripped state, as a JSON list, that came with each invite or knock."""
    sql = "SELECT event, state FROM invite_states WHERE event = ANY(:events)"
    return dict(tx.rows(sql, events=nids)) if nids else {}
