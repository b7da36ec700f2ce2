"""Events that came redacted, because their content had been changed on the way, and then come as they were sent.

Else whoever passes an event on could hide what it says for ever. The hash that its sender has signed tells which copy
is whole; what was redacted in the room stays so, for that is a redaction event's doing. What was made of the redacted
copy when it came (counts, threads) stays as it is. Server-server API, "Validating hashes and signatures on received
events".
"""

from collections.abc import Sequence

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.hashing import content_hash_matches, signed_bytes
from oriz_matrix.storage import events, notices
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.recent import Change
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

CHANNEL = "body"
"""Notices to all processes that an event's body is another than they may have in memory; the event's number follows."""


def take(tx: Transaction, came: Sequence[Event]) -> bool:
    """Keeps the whole copies of those events that are stored redacted; whether there were any."""
    numbers = events.find(tx, [event.event_id for event in came])
    bodies = events.load(tx, numbers.values())
    found = {
        numbers[event.event_id]: event
        for event in came
        if event.event_id in numbers and _is_better(event, bodies[numbers[event.event_id]])
    }
    for nid, event in found.items():
        events.replace(tx, nid, event)
        notices.leave(tx, f"{CHANNEL} {nid}")
    return bool(found)


def _is_better(event: Event, stored: Event) -> bool:
    if content_hash_matches(stored.pdu) or not content_hash_matches(event.pdu):
        return False
    return signed_bytes(event.pdu, event.version) == signed_bytes(stored.pdu, stored.version)


def forget(caches: Caches, change: Change) -> None:
    """Drops a body of which a notice says that it is another by now."""
    kind, _, nid = change.channel.partition(" ")
    if change.kind == "notice" and kind == CHANNEL:
        caches.events.drop(EventNid(int(nid)))
