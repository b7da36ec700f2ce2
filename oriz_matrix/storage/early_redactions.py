"""Redactions that came before the event that they redact: they are shown to nobody until it comes (traps.md 8)."""

from collections.abc import Collection

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage import timeline
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid


def hold_back(tx: Transaction, redaction: EventNid, target: EventId | None) -> None:
    """Shows a redaction to nobody, and remembers what it wants to redact, if it says so."""
    timeline.hide(tx, [redaction])
    if target is None:
        return
    sql = "INSERT INTO early_redactions (event_id, redaction) VALUES (:target, :redaction) ON CONFLICT DO NOTHING"
    tx.run(sql, target=target, redaction=redaction)


def find(tx: Transaction, event_ids: Collection[EventId]) -> list[tuple[EventId, EventNid]]:
    """The redactions that wait for any of these events."""
    sql = "SELECT event_id, redaction FROM early_redactions WHERE event_id = ANY(:event_ids)"
    return [(row[0], row[1]) for row in tx.rows(sql, event_ids=list(event_ids))]


def apply(tx: Transaction, event_id: EventId, redaction: EventNid) -> None:
    """The event is here: it is redacted, and the redaction shown."""
    redact = """
        UPDATE event_status SET redacted_by = :redaction
        WHERE event = (SELECT nid FROM events WHERE event_id = :event_id) AND redacted_by IS NULL
    """
    tx.run(redact, event_id=event_id, redaction=redaction)
    tx.run("UPDATE event_status SET soft_failed = FALSE WHERE event = :redaction", redaction=redaction)
    tx.run(
        "DELETE FROM early_redactions WHERE event_id = :event_id AND redaction = :redaction",
        event_id=event_id,
        redaction=redaction,
    )
