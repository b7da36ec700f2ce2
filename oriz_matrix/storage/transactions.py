"""Transaction ids: what a device called an event when it sent it, so that a repeated request is not a second event."""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import DeviceNid, EventNid


class TransactionId(NamedTuple):
    """A transaction id within its scope: the device and the endpoint's path (client-server API, "Transaction ids")."""

    device: DeviceNid
    endpoint: str
    txn_id: str


def add(tx: Transaction, called: Sequence[tuple[TransactionId, EventNid]]) -> None:
    """Stores what devices called events. Raises Duplicate for a repeated request."""
    sql = """
        INSERT INTO transaction_ids (device, endpoint, txn_id, event) VALUES (:device, :endpoint, :txn_id, :event)
    """
    tx.many(sql, [{**transaction._asdict(), "event": event} for transaction, event in called])


@single
def find(tx: Transaction, transaction: TransactionId) -> EventId | None:
    """The event that an earlier request with the same transaction id made."""
    sql = """
        SELECT e.event_id FROM transaction_ids t JOIN events e ON e.nid = t.event
        WHERE t.device = :device AND t.endpoint = :endpoint AND t.txn_id = :txn_id
    """
    found: EventId | None = tx.value(sql, **transaction._asdict())
    return found


def of_events(tx: Transaction, device: DeviceNid, events: Sequence[EventNid]) -> dict[EventNid, str]:
    """What a device called those of the events that it sent."""
    sql = "SELECT event, txn_id FROM transaction_ids WHERE device = :device AND event = ANY(:events)"
    return dict(tx.rows(sql, device=device, events=events))
