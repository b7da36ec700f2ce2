"""Events as clients see them: serialised once without what differs by reader, and kept with the event as bytes.

`unsigned` (age, membership, previous content, what redacted it, transaction id) differs by reader and moment and is put
in behind. Source: client-server API, "Room Event Format".
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.redaction import redact
from oriz_matrix.storage import events, timeline, transactions
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import DeviceNid, EventNid, UserNid

_encode = msgspec.json.Encoder().encode


class Shown(NamedTuple):
    """An event with what its `unsigned` needs; of redacted events, `redaction` is what redacted it."""

    entry: Entry
    event: Event
    redaction: Event | None = None
    replaced: Event | None = None
    membership: str | None = None
    txn_id: str | None = None


_NOTHING_MORE = (None, None, None, None)


class Reader(NamedTuple):
    """For whom events are shown."""

    user: UserNid
    device: DeviceNid | None


def show(tx: Transaction, entries: Sequence[Entry], reader: Reader) -> list[Shown]:
    """Entries of timelines with their events and what goes with them, in the same order."""
    bodies = events.load(tx, {entry.event for entry in entries})
    redactions = events.effective(tx, [entry.redacted_by for entry in entries if entry.redacted_by is not None])
    replaced = events.effective(tx, [entry.replaces for entry in entries if entry.replaces is not None])
    own = [entry.event for entry in entries if entry.sender == reader.user]
    called = transactions.of_events(tx, reader.device, own) if own and reader.device is not None else {}
    return [
        Shown(
            entry,
            bodies[entry.event],
            redaction=None if entry.redacted_by is None else redactions[entry.redacted_by],
            replaced=None if entry.replaces is None else replaced.get(entry.replaces),
            txn_id=called.get(entry.event),
        )
        for entry in entries
    ]


def show_events(tx: Transaction, nids: Iterable[EventNid], reader: Reader) -> list[Shown]:
    """Events that stand in a state or are asked for by id."""
    entries = timeline.statuses(tx, list(nids))
    return show(tx, entries, reader)


def fragment(shown: Shown, now_ms: int, *, with_room: bool) -> msgspec.Raw:
    """One event as JSON, with or without its room's id (in sync answers the room is known)."""
    event = shown.event
    if shown.redaction is None:
        head = event.client_head
        if head is None:
            head = event.client_head = _encode(_client_form(event))[:-1]
    else:
        head = _encode(_client_form(event, redacted=True))[:-1]
    if shown[2:] == _NOTHING_MORE:
        tail = b',"unsigned":{"age":%d}}' % (now_ms - event.origin_server_ts)
    else:
        tail = b',"unsigned":' + _encode(_unsigned(shown, now_ms)) + b"}"
    if with_room:
        tail = b',"room_id":' + _encode(event.room_id) + tail
    return msgspec.Raw(head + tail)


def _unsigned(shown: Shown, now_ms: int) -> dict[str, Any]:
    unsigned: dict[str, Any] = {"age": now_ms - shown.event.origin_server_ts}
    if shown.membership is not None:
        unsigned["membership"] = shown.membership
    if shown.replaced is not None:
        unsigned["prev_content"] = shown.replaced.content
        unsigned["prev_sender"] = shown.replaced.sender
        unsigned["replaces_state"] = shown.replaced.event_id
    if shown.redaction is not None:
        unsigned["redacted_by"] = shown.redaction.event_id  # not specified, but known to clients
        unsigned["redacted_because"] = {**_client_form(shown.redaction), "room_id": shown.redaction.room_id}
    if shown.txn_id is not None:
        unsigned["transaction_id"] = shown.txn_id
    return unsigned


def _client_form(event: Event, *, redacted: bool = False) -> dict[str, Any]:
    """The members of an event that clients see, without room id and `unsigned`."""
    is_redaction = event.type == "m.room.redaction" and not redacted
    content = redact(event.pdu, event.version)["content"] if redacted else msgspec.Raw(event.content_json)
    form = {
        "content": event.content if is_redaction else content,
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts,
        "sender": event.sender,
        "type": event.type,
    }
    if event.state_key is not None:
        form["state_key"] = event.state_key
    if is_redaction:
        _name_target(form, event)
    return form


def _name_target(form: dict[str, Any], event: Event) -> None:
    """Clients find what a redaction redacts at the top and in the content, whichever the room version has."""
    target = event.redacts
    if isinstance(target, str):
        form["redacts"] = target
        form["content"] = {**form["content"], "redacts": target}
