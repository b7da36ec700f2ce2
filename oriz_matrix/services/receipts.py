"""Read receipts and the fully-read marker. Source: client-server API, "Receipts", "Read and unread markers"."""

from typing import NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.errors import Forbidden, InvalidParam
from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.storage import account_data, events, interning, membership, receipts, rooms, timeline
from oriz_matrix.storage.account_data import AccountData
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.receipts import Receipt
from oriz_matrix.storage.transaction import Transaction

FULLY_READ = "m.fully_read"
KINDS = ("m.read", receipts.PRIVATE, FULLY_READ)


class Receipts:
    """Takes the receipts of local users."""

    def __init__(self, db: Database, changes: Changes, clock: Clock) -> None:
        self._db = db
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
        if thread is not None and (thread == "" or kind == FULLY_READ):
            raise InvalidParam("thread_id: must name a thread, and a fully-read marker has none")
        if kind == FULLY_READ:
            await self._db.write(_mark_fully_read, requester.user_id, room_id, event_id)
        else:
            now_ms = self._clock.now_ms()
            read = _Read(kind, thread or "", event_id, now_ms)
            await self._db.write(_put, requester.user_id, room_id, read)
        self._changes.poke()


class _Read(NamedTuple):
    """What was read, and when (milliseconds)."""

    kind: str
    thread: str
    event_id: EventId
    ts: int


def _put(tx: Transaction, user_id: UserId, room_id: RoomId, read: _Read) -> None:
    user = interning.user(tx, user_id)
    name = rooms.find(tx, room_id)
    now = membership.now(tx, user, name.nid) if name is not None else None
    if name is None or now is None or now.membership != "join":
        raise Forbidden("You are not in this room")
    nid = events.find(tx, [read.event_id]).get(read.event_id)
    entry = timeline.status(tx, nid) if nid is not None else None
    if entry is None or entry.room != name.nid:
        return
    receipt = Receipt(name.nid, user, *read)
    receipts.put(tx, receipt, (entry.position, entry.back), entry.unread)


def _mark_fully_read(tx: Transaction, user_id: UserId, room_id: RoomId, event_id: EventId) -> None:
    user = interning.user(tx, user_id)
    name = rooms.find(tx, room_id)
    if name is None or membership.now(tx, user, name.nid) is None:
        raise Forbidden("You are not in this room")
    content = msgspec.json.encode({"event_id": event_id})
    account_data.put(tx, user, AccountData(name.nid, FULLY_READ, content))
