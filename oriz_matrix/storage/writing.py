"""The rows that new events write: read what must be known, gather event by event, then write table by table."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, ServerName, UserId
from oriz_matrix.storage import (
    events,
    interning,
    jobs,
    membership,
    outbox,
    room_state,
    rooms,
    servers,
    threads,
    timeline,
    transactions,
    typing,
)
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.device_updates import newcomer
from oriz_matrix.storage.jobs import JobRequest
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.new_events import HIGHLIGHT, Arrival, NewEvent, StateChange
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.threads import Thread
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EVERYBODY, EventNid, Position, StateKeyNid, UserNid

MEMBER = "m.room.member"


class Known(NamedTuple):
    """What is read before anything is written: numbers behind names, and what the new events replace."""

    users: Mapping[UserId, UserNid]
    state_keys: Mapping[tuple[str, str], StateKeyNid]
    auth: Mapping[EventId, EventNid]
    state: dict[StateKeyNid, EventNid | None]
    members: dict[UserNid, Membership]
    threads: dict[EventId, Thread]


def known(tx: Transaction, room: Room, new: Sequence[NewEvent], arrival: Arrival | None = None) -> Known:
    """Reads what these events need; gives out numbers to names that have none yet."""
    is_new = not room.current.position
    state = [item.event for item in new if item.event.is_state]
    changes = () if arrival is None else arrival.changes
    targets = {UserId(event.key[1]) for event in state if event.type == MEMBER}
    targets |= {change.member[0] for change in changes if change.member is not None}
    users = {item.event.sender for item in new} | targets
    numbers = {user: interning.user(tx, user) for user in sorted(users)}
    for user in {user for item in new for user in item.mentions} - users:
        if (nid := interning.find_user(tx, user)) is not None:  # whom nobody knows nobody has to tell
            numbers[user] = nid
    keys = {event.key: interning.state_key(tx, event.key) for event in state}
    changing = {*keys.values(), *(change.key for change in changes)}
    own = {event.event_id for event in state}
    auth = {event_id for event in state for event_id in event.auth_event_ids if event_id not in own}
    return Known(
        users=numbers,
        state_keys=keys,
        auth=events.find(tx, sorted(auth)) if auth else {},
        state=room_state.open_entries(tx, room.current, sorted(changing)) if not is_new else {},
        members=membership.of_users_in(tx, [numbers[user] for user in targets], room.nid) if not is_new else {},
        threads=threads.of_roots(tx, room.nid, dict.fromkeys(item.thread for item in new if item.thread is not None)),
    )


class Writing:
    """The rows of one append, gathered event by event and then written table by table."""

    def __init__(self, tx: Transaction, room: Room, known: Known) -> None:
        self._tx = tx
        self._room = room
        self._was_shared = room.elsewhere > 0
        self._known = known
        self._bodies: dict[EventNid, Event] = {}
        self._placed: dict[EventNid, Event] = {}
        self._entries: list[Entry] = []
        self._edges: list[tuple[EventNid, EventNid]] = []
        self._state = room_state.Changes(room.current.branch)
        self._memberships = membership.Changes(room.nid)
        self._mentions: list[dict[str, Any]] = []
        self._transactions: list[tuple[transactions.TransactionId, EventNid]] = []
        self._redactions: list[tuple[EventNid, EventNid]] = []
        self._hidden: list[EventNid] = []
        self._jobs: list[JobRequest] = []
        self._stopped: list[tuple[UserNid, Position]] = []
        self._servers: dict[ServerName, int] = {}
        self._also: ServerName | None = None
        self._sent: list[tuple[EventNid, ServerName | None, ServerName | None]] = []
        self._auth = dict(known.auth)

    def add(self, new: NewEvent, position: Position) -> None:
        """Gathers what one event writes, and moves the room on."""
        nid, event, before = EventNid(position), new.event, self._room.current
        self._bodies[nid] = event
        self._room = rooms.with_event(self._room, event)
        replaces = self._add_state(new, nid, position) if event.is_state else None
        self._add_entry(new, nid, position, before, replaces)

    def arrive(self, new: NewEvent, arrival: Arrival, position: Position) -> None:
        """Gathers what an event writes that was stored before, and moves the room on."""
        self._room = rooms.without_ends(self._room, arrival.behind)
        if arrival.is_end:
            self._room = rooms.with_event(self._room, new.event)
        for change in arrival.changes:
            self._change(change, position)
        if arrival.changes:
            self._room = self._room._replace(current=StateAt(self._room.current.branch, position))
        self._add_entry(new, arrival.number, position, arrival.before, arrival.replaces)

    def _add_entry(
        self, new: NewEvent, nid: EventNid, position: Position, before: StateAt, replaces: EventNid | None
    ) -> None:
        """The event's place in the timeline, the counts there, and whom it tells something."""
        event, thread = new.event, self._add_to_thread(new, position)
        in_main = new.notifies and thread is None
        self._room = self._room._replace(latest=position, unread=self._room.unread + in_main)
        self._placed[nid] = event
        self._entries.append(
            Entry(
                event=nid,
                room=self._room.nid,
                sender=self._known.users[event.sender],
                state_key=self._known.state_keys[event.key] if event.is_state else None,
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

    def _add_state(self, new: NewEvent, nid: EventNid, position: Position) -> EventNid | None:
        """What a state event changes; the event that it replaces."""
        event = new.event
        self._auth[event.event_id] = nid
        self._edges += [(nid, self._auth[auth]) for auth in dict.fromkeys(event.auth_event_ids)]
        key = self._known.state_keys[event.key]
        replaces = self._known.state.get(key)
        is_member = event.type == MEMBER
        now = str(event.content.get("membership"))
        self._change(StateChange(key, nid, (UserId(event.key[1]), now, new.server) if is_member else None), position)
        self._room = self._room._replace(current=StateAt(self._room.current.branch, position))
        return replaces

    def _change(self, change: StateChange, position: Position) -> None:
        """A change of the current state."""
        self._state.put(change.key, change.event, position, replaces=change.key in self._known.state)
        self._known.state[change.key] = change.event
        if change.member is not None:
            self._add_membership(change, position, *change.member)

    def _add_membership(
        self, change: StateChange, position: Position, user_id: UserId, now: str, server: ServerName | None
    ) -> None:
        user = self._known.users[user_id]
        before = self._known.members.get(user)
        event = change.event if change.event is not None or before is None else before.event
        if event is None:
            return
        self._known.members[user] = self._memberships.put(user, now, event, position, before)
        was = before.membership if before is not None else None
        if was == "join" and now != "join":
            self._stopped.append((user, position))
        if server is not None and was in ("join", "invite", "knock") and now in ("leave", "ban"):
            self._also = server  # it may be in the room no longer, or never have been
        joined = (now == "join") - (was == "join")
        if server is not None and joined:
            self._servers[server] = self._servers.get(server, 0) + joined
        if joined > 0 and (server is not None or self._room.elsewhere):
            self._jobs.append(newcomer(self._room.nid, user))
        self._room = self._room._replace(
            joined=self._room.joined + joined,
            elsewhere=self._room.elsewhere + (joined if server is not None else 0),
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
        if new.hidden:
            self._hidden.append(nid)
        if new.job is not None:
            self._jobs.append(new.job)
        if new.goes_out and (self._was_shared or self._also is not None):
            self._sent.append((nid, new.but, self._also))
        self._also = None

    def write(self) -> Room:
        """Writes everything; the room as it is now."""
        tx, room = self._tx, self._room
        tx.pipeline()
        events.add(tx, room.nid, self._bodies)
        timeline.add(tx, self._entries, self._placed)
        transactions.add(tx, self._transactions)
        events.link_auth(tx, self._edges)
        self._state.write(tx)
        self._memberships.write(tx)
        threads.save(tx, list(self._known.threads.values()))
        timeline.mention(tx, self._mentions)
        for event, by in self._redactions:
            timeline.redact(tx, room.nid, event, by)
        timeline.hide(tx, self._hidden)
        for user, position in self._stopped:
            typing.stop(tx, room.nid, user, position)
        for nid, but, also in self._sent:
            outbox.add_event(tx, room.nid, nid, but, also)
        if self._servers:
            servers.count(tx, room.nid, self._servers)
        for job in self._jobs:
            jobs.enqueue(tx, job.queue, job.key, b"", run_at=0)
        rooms.save(tx, room)
        return room
