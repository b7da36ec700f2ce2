"""Redactions: which event a local user may redact.

From room version 3 on the authorization rules let every redaction pass, so the right is decided here, and what an
accepted redaction takes away is decided when it is applied. A redaction acts in its own room only.
"""

from collections.abc import Mapping

from oriz_matrix.protocol.authorization import power_levels
from oriz_matrix.protocol.errors import Forbidden, InvalidParam, MatrixError
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, UserId, parse_event_id
from oriz_matrix.storage import events, timeline
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

REDACTION = "m.room.redaction"


def target(
    tx: Transaction, room: Room, state: Mapping[StateKey, Event], event_id: EventId, user_id: UserId
) -> EventNid:
    """The event of this room that the user may redact: one of their own, or any with enough power."""
    nid = events.find(tx, [event_id]).get(event_id)
    entry = timeline.status(tx, nid) if nid is not None else None
    if nid is None or entry is None or entry.room != room.nid:
        raise InvalidParam("redacts: there is no such event in this room")
    event = events.load(tx, [nid])[nid]
    levels = power_levels(state)
    if event.sender != user_id and levels.user(user_id) < levels.redact:
        raise Forbidden("Your power level is too low to redact the events of others")
    return nid


def is_by(tx: Transaction, event_id: EventId, user_id: UserId) -> bool:
    """Whether an event is known and was sent by this user."""
    return any(event.sender == user_id for event in events.load(tx, events.find(tx, [event_id]).values()).values())


def is_redaction(event: Event) -> bool:
    """Whether an event redacts another one; one that names itself does nothing, and is an event like others."""
    return event.type == REDACTION and not event.is_state and event.redacts != event.event_id


def named(event: Event) -> EventId | None:
    """The id of the event that a redaction of another server names; None where it names none."""
    try:
        return parse_event_id(event.redacts, "redacts")
    except MatrixError:
        return None
