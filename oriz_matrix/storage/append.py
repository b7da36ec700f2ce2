"""Compare-and-append: the one short transaction in which a room gets new events.

It fails with RoomMoved when the room's current state is not the one that the events were checked against; otherwise the
events, the timeline, the state, memberships, counts and transaction ids are written together, or nothing is. Everything
that is read is read before the positions are drawn; after that come only writes, which go to the engine in one go.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, UserId
from oriz_matrix.storage import (
    events,
    interning,
    jobs,
    membership,
    room_state,
    rooms,
    threads,
    timeline,
    transactions,
    typing,
)
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.errors import RoomMoved
from oriz_matrix.storage.jobs import JobRequest
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.threads import Thread
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction, single
from oriz_matrix.storage.types import EVERYBODY, EventNid, Position, RoomNid, StateKeyNid, UserNid

MEMBER = "m.room.member"


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
    it; job: what is to be done once the event is there.
    """

    event: Event
    notifies: bool = False
    mentions: Sequence[UserId] = ()
    mentions_all: bool = False
    verdicts: Mapping[UserNid, Verdict] = {}
    thread: EventId | None = None
    redacts: EventNid | None = None
    transaction: transactions.TransactionId | None = None
    job: JobRequest | None = None


def append(tx: Transaction, room_nid: RoomNid, seen: StateAt, new: Sequence[NewEvent]) -> Room:
    """Appends events to a room whose current state is still `seen`; the room as it is then.

    Raises RoomMoved, or Duplicate where an event or a transaction id is there already.
    """
    room = rooms.hold(tx, room_nid, seen)
    writing = _Writing(tx, room, _known(tx, room, new))
    for item, position in zip(new, tx.positions(len(new)), strict=True):
        writing.add(item, position)
    return writing.write()


@single
def message(tx: Transaction, room: RoomNid, seen: StateAt, new: NewEvent, sender: UserNid) -> Room:
    """The same for one event that is no state, in no thread, redacts nothing and is the same to all: the most frequent
    one."""
    if tx.message_statement is None:
        return append(tx, room, seen, [new])
    event, called = new.event, new.transaction
    row = tx.one(
        tx.message_statement,
        room=room,
        branch=seen.branch,
        state_at=seen.position,
        event_id=event.event_id,
        body=event.encoded,
        sender=sender,
        notifies=int(new.notifies),
        ts=timeline.moment(event),
        device=called.device if called else None,
        endpoint=called.endpoint if called else None,
        txn_id=called.txn_id if called else None,
        behind=event.prev_event_ids,
        own=rooms.to_text([(event.event_id, event.depth)]),
    )
    if row is None:
        raise RoomMoved
    after = rooms.from_row(row)
    tx.after_commit(lambda: tx.caches.events.put(EventNid(after.latest), event))
    return after


class _Known(NamedTuple):
    """What is read before anything is written: numbers behind names, and what the new events replace."""

    users: Mapping[UserId, UserNid]
    state_keys: Mapping[tuple[str, str], StateKeyNid]
    auth: Mapping[EventId, EventNid]
    state: dict[StateKeyNid, EventNid]
    members: dict[UserNid, Membership]
    threads: dict[EventId, Thread]


def _known(tx: Transaction, room: Room, new: Sequence[NewEvent]) -> _Known:
    state = [item.event for item in new if item.event.is_state]
    targets = {UserId(event.key[1]) for event in state if event.type == MEMBER}
    users = {item.event.sender for item in new} | targets
    numbers = {user: interning.user(tx, user) for user in sorted(users)}
    for user in {user for item in new for user in item.mentions} - users:
        if (nid := interning.find_user(tx, user)) is not None:  # whom nobody knows nobody has to tell
            numbers[user] = nid
    keys = {event.key: interning.state_key(tx, event.key) for event in state}
    own = {event.event_id for event in state}
    auth = {event_id for event in state for event_id in event.auth_event_ids if event_id not in own}
    return _Known(
        users=numbers,
        state_keys=keys,
        auth=events.find(tx, sorted(auth)) if auth else {},
        state=room_state.get(tx, room.current, list(keys.values())) if room.latest else {},
        members=membership.of_users_in(tx, [numbers[user] for user in targets], room.nid) if room.latest else {},
        threads=threads.of_roots(tx, room.nid, dict.fromkeys(item.thread for item in new if item.thread is not None)),
    )


class _Writing:
    """The rows of one append, gathered event by event and then written table by table."""

    def __init__(self, tx: Transaction, room: Room, known: _Known) -> None:
        self._tx = tx
        self._room = room
        self._known = known
        self._bodies: dict[EventNid, Event] = {}
        self._entries: list[Entry] = []
        self._edges: list[tuple[EventNid, EventNid]] = []
        self._state = room_state.Changes(room.current.branch)
        self._memberships = membership.Changes(room.nid)
        self._mentions: list[dict[str, Any]] = []
        self._transactions: list[tuple[transactions.TransactionId, EventNid]] = []
        self._redactions: list[tuple[EventNid, EventNid]] = []
        self._jobs: list[JobRequest] = []
        self._stopped: list[tuple[UserNid, Position]] = []
        self._auth = dict(known.auth)

    def add(self, new: NewEvent, position: Position) -> None:
        """Gathers what one event writes, and moves the room on."""
        nid, event, before = EventNid(position), new.event, self._room.current
        thread = self._add_to_thread(new, position)
        in_main = new.notifies and thread is None
        self._room = rooms.with_event(self._room, event)._replace(latest=position, unread=self._room.unread + in_main)
        key = self._known.state_keys[event.key] if event.is_state else None
        replaces = None if key is None else self._add_state(event, key, nid, position)
        self._bodies[nid] = event
        self._entries.append(
            Entry(
                event=nid,
                room=self._room.nid,
                sender=self._known.users[event.sender],
                state_key=key,
                replaces=replaces,
                position=position,
                back=0,
                branch=before.branch,
                state_at=before.position,
                redacted_by=None,
                notifies=new.notifies,
                unread=self._room.unread,
                thread=None if thread is None else thread.nid,
                thread_unread=None if thread is None else thread.unread,
            )
        )
        self._add_rest(new, nid, position)

    def _add_to_thread(self, new: NewEvent, position: Position) -> Thread | None:
        """The event's thread with the event as its newest."""
        if new.thread is None:
            return None
        thread = self._known.threads[new.thread]
        thread = thread._replace(latest=position, unread=thread.unread + new.notifies)
        self._known.threads[new.thread] = thread
        return thread

    def _add_state(self, event: Event, key: StateKeyNid, nid: EventNid, position: Position) -> EventNid | None:
        """What a state event changes; the event that it replaces."""
        self._auth[event.event_id] = nid
        self._edges += [(nid, self._auth[auth]) for auth in dict.fromkeys(event.auth_event_ids)]
        replaces = self._known.state.get(key)
        self._state.put(key, nid, position, replaces=replaces is not None)
        self._known.state[key] = nid
        self._room = self._room._replace(current=StateAt(self._room.current.branch, position))
        if event.type == MEMBER:
            self._add_membership(event, nid, position)
        return replaces

    def _add_membership(self, event: Event, nid: EventNid, position: Position) -> None:
        user = self._known.users[UserId(event.key[1])]
        now, before = str(event.content.get("membership")), self._known.members.get(user)
        self._known.members[user] = self._memberships.put(user, now, nid, position, before)
        was = before.membership if before is not None else None
        if was == "join" and now != "join":
            self._stopped.append((user, position))
        self._room = self._room._replace(
            joined=self._room.joined + (now == "join") - (was == "join"),
            invited=self._room.invited + (now == "invite") - (was == "invite"),
        )

    def _add_rest(self, new: NewEvent, nid: EventNid, position: Position) -> None:
        mentioned = {self._known.users[user]: HIGHLIGHT for user in new.mentions if user in self._known.users}
        told = {**({EVERYBODY: HIGHLIGHT} if new.mentions_all else {}), **mentioned, **new.verdicts}
        event = {"room": self._room.nid, "position": position, "event": nid, "counted": new.notifies}
        self._mentions += [{**event, "user": user, **verdict._asdict()} for user, verdict in told.items()]
        if new.transaction is not None:
            self._transactions.append((new.transaction, nid))
        if new.redacts is not None:
            self._redactions.append((new.redacts, nid))
        if new.job is not None:
            self._jobs.append(new.job)

    def write(self) -> Room:
        """Writes everything; the room as it is now."""
        tx, room = self._tx, self._room
        tx.pipeline()
        events.add(tx, room.nid, self._bodies)
        timeline.add(tx, self._entries, self._bodies)
        transactions.add(tx, self._transactions)
        events.link_auth(tx, self._edges)
        self._state.write(tx)
        self._memberships.write(tx)
        threads.save(tx, list(self._known.threads.values()))
        timeline.mention(tx, self._mentions)
        for event, by in self._redactions:
            timeline.redact(tx, room.nid, event, by)
        for user, position in self._stopped:
            typing.stop(tx, room.nid, user, position)
        for job in self._jobs:
            jobs.enqueue(tx, job.queue, job.key, b"", run_at=0)
        rooms.save(tx, room)
        return room
