"""Events that are to be appended to a room, with all that follows from them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, ServerName, UserId
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.jobs import JobRequest
from oriz_matrix.storage.transactions import TransactionId
from oriz_matrix.storage.types import EventNid, StateKeyNid, UserNid


class Verdict(NamedTuple):
    """What an event is to a user by push rules of their own."""

    notifies: bool
    highlights: bool


HIGHLIGHT = Verdict(notifies=True, highlights=True)


class NewEvent(NamedTuple):
    """An authorized event that is to become the newest of its room.

    notifies: it counts as unread by the default rules; mentions: local users whom it highlights, mentions_all: it
    highlights every member; verdicts: users to whom it is something else than to everybody; thread: the event that its
    thread starts from; redacts: the event of this room that it redacts; transaction: what its sender's device called
    it; job: what is to be done once the event is there. server: the other server whose user's membership it changes;
    goes_out: whether this server sends it to the others in the room, but: but for one of them. hidden: it is shown to
    nobody.
    """

    event: Event
    notifies: bool = False
    mentions: Sequence[UserId] = ()
    mentions_all: bool = False
    verdicts: Mapping[UserNid, Verdict] = {}
    thread: EventId | None = None
    redacts: EventNid | None = None
    transaction: TransactionId | None = None
    job: JobRequest | None = None
    server: ServerName | None = None
    goes_out: bool = True
    but: ServerName | None = None
    hidden: bool = False


class StateChange(NamedTuple):
    """A change of the current state that came about by a resolution: the event that stands under a key from now on, or
    None. member: of a member's key, whose it is, what they are now, and their server if it is another."""

    key: StateKeyNid
    event: EventNid | None
    member: tuple[UserId, str, ServerName | None] | None = None


class Arrival(NamedTuple):
    """An event that was stored before, and now takes its place in the room at a fork of its history.

    before: the state before it, with `replaces` under its own key; behind: events that are no ends of the graph any
    more; changes: all that it changes of the current state; is_end: whether it is an end
    itself, and not followed by another already.
    """

    number: EventNid
    before: StateAt
    replaces: EventNid | None = None
    behind: Sequence[EventId] = ()
    changes: Sequence[StateChange] = ()
    is_end: bool = True
