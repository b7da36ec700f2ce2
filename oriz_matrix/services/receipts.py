"""Read receipts and the fully-read marker. Source: client-server API, "Receipts", "Read and unread markers"."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden, InvalidParam
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId
from oriz_matrix.protocol.relations import MAX_HOPS, relation
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.services.rooms.threads import look_up
from oriz_matrix.storage import (
    account_data,
    events,
    interning,
    membership,
    outbox,
    receipts,
    rooms,
    servers,
    threads,
    timeline,
)
from oriz_matrix.storage.account_data import AccountData
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.outbox import Edu
from oriz_matrix.storage.receipts import Receipt
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid

FULLY_READ = "m.fully_read"
MAIN = "main"
KINDS = ("m.read", receipts.PRIVATE, FULLY_READ)


class Receipts:
    """Takes the receipts of local users."""

    def __init__(self, db: Database, changes: Changes, outgoing: Outgoing, clock: Clock) -> None:
        self._db = db
        self._outgoing = outgoing
        self._changes = changes
        self._clock = clock

    async def put(
        self, requester: Requester, room_id: RoomId, kind: str, event_id: EventId, thread: str | None
    ) -> None:
        """The user has read up to this event: publicly, privately, or for themselves alone (the fully-read marker).

        `thread` is a thread's root, "main", or None for a receipt that covers all threads. A receipt at an event that
        this server does not know, or that lies before an earlier receipt, changes nothing.
        """
        if kind not in KINDS:
            raise InvalidParam(f"receiptType: must be one of {', '.join(KINDS)}")
        if thread is not None and kind == FULLY_READ:
            raise InvalidParam("thread_id: a fully-read marker has no thread")
        if kind == FULLY_READ:
            await self._db.write(_mark_fully_read, requester.user_id, room_id, event_id)
        else:
            now_ms = self._clock.now_ms()
            read = _Read(kind, thread or "", event_id, now_ms)
            self._outgoing.servers(await self._db.write(_put, requester.user_id, room_id, read))
        self._changes.poke()

    async def mark(self, requester: Requester, room_id: RoomId, events: Mapping[str, EventId]) -> None:
        """Several kinds at once, each as by `put` without a thread."""
        for kind, event_id in events.items():
            await self.put(requester, room_id, kind, event_id, None)


class _Read(NamedTuple):
    """What was read, and when (milliseconds)."""

    kind: str
    thread: str
    event_id: EventId
    ts: int


def _put(tx: Transaction, user_id: UserId, room_id: RoomId, read: _Read) -> list[ServerName]:
    """The other servers that are told."""
    user, room = _member(tx, user_id, room_id)
    entry = _entry(tx, room, read.event_id)
    if entry is None:
        return []
    if read.thread and read.thread not in _threads(tx, entry):
        raise InvalidParam("thread_id: the event is not in this thread")
    receipt = Receipt(room, user, *read)
    is_new = receipts.put(tx, receipt, (entry.position, entry.back), entry.unread)
    if not is_new or read.kind == receipts.PRIVATE or not (told := servers.in_room(tx, room)):
        return []
    thread = {"thread_id": read.thread} if read.thread else {}
    said = {user_id: {"event_ids": [read.event_id], "data": {"ts": read.ts, **thread}}}
    edu = Edu("m.receipt", f"m.receipt {room} {user_id} {read.thread}", {room_id: {read.kind: said}})
    outbox.add_edus(tx, told, [edu])
    return told


def _mark_fully_read(tx: Transaction, user_id: UserId, room_id: RoomId, event_id: EventId) -> None:
    user, room = _member(tx, user_id, room_id)
    if _entry(tx, room, event_id) is None:
        return
    content = msgspec.json.encode({"event_id": event_id})
    account_data.put(tx, user, AccountData(room, FULLY_READ, content))


def _entry(tx: Transaction, room: RoomNid, event_id: EventId) -> timeline.Entry | None:
    """Where an event stands, or None where it is none of this room."""
    nid = events.find(tx, [event_id]).get(event_id)
    entry = timeline.status(tx, nid) if nid is not None else None
    return None if entry is None or entry.room != room else entry


def _member(tx: Transaction, user_id: UserId, room_id: RoomId) -> tuple[UserNid, RoomNid]:
    """The numbers of a user and a room that they are in. Raises Forbidden."""
    user = interning.user(tx, user_id)
    name = rooms.find(tx, room_id)
    now = membership.now(tx, user, name.nid) if name is not None else None
    if name is None or now is None or now.membership != "join":
        raise Forbidden("You are not in this room")
    return user, name.nid


def _threads(tx: Transaction, entry: timeline.Entry) -> set[str]:
    """The threads that a receipt at this event may name: its own, or the main timeline and the thread that it roots.

    What relates to a root otherwise than by a thread may stand for the root ("Threaded read receipts").
    """
    if entry.thread is not None:
        return {threads.root(tx, entry.thread)}
    event = events.load(tx, [entry.event])[entry.event]
    find, top, content = look_up(tx, event.room_id), event.event_id, event.content
    for _ in range(MAX_HOPS):
        link = relation(content)
        parent = find(link.event_id) if link is not None else None
        if link is None or parent is None:
            break
        top, content = link.event_id, parent
    return {MAIN, top}
