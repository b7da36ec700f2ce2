"""Messages of other servers that are no events (EDUs): who types, and who has read what.

Each is taken or dropped alone; nobody hears of one that is dropped. Server-server API, "EDUs".
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId, other_server
from oriz_matrix.storage import acls, events, interning, membership, receipts, rooms, timeline, typing
from oriz_matrix.storage.receipts import Receipt
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid

TYPES_MS = 60_000
"""How long somebody elsewhere types, where nothing more is heard of it."""
MOST_RECEIPTS = 100

Take = Callable[[Transaction, ServerName, Mapping[str, Any], int], None]
"""Takes the content that a server sent at a moment (milliseconds); raises MatrixError or ValidationError to drop it."""


class Edu(NamedTuple):
    """How a type is taken; `durable`: before the transaction that brought it is answered for."""

    take: Take
    durable: bool = False


class _Typing(msgspec.Struct):
    room_id: RoomId
    user_id: UserId
    typing: bool


def take_typing(tx: Transaction, origin: ServerName, content: Mapping[str, Any], now_ms: int) -> None:
    """m.typing."""
    said = msgspec.convert(content, _Typing)
    room, user = _member(tx, origin, said.room_id, said.user_id)
    typing.put(tx, room, user, now_ms + TYPES_MS if said.typing else 0, now_ms)


class _Data(msgspec.Struct):
    ts: int = 0
    thread_id: str | None = None


class _Read(msgspec.Struct):
    event_ids: list[EventId]
    data: _Data = msgspec.field(default_factory=_Data)


Receipts = dict[RoomId, dict[str, dict[UserId, _Read]]]


def take_receipts(tx: Transaction, origin: ServerName, content: Mapping[str, Any], now_ms: int) -> None:
    """m.receipt."""
    by_room = msgspec.convert(content, Receipts)
    left = MOST_RECEIPTS
    for room_id, kinds in by_room.items():
        for user_id, read in kinds.get("m.read", {}).items():
            if left:
                _take_receipt(tx, origin, room_id, user_id, read, now_ms)
            left -= 1 if left else 0


def _take_receipt(
    tx: Transaction, origin: ServerName, room_id: RoomId, user_id: UserId, read: _Read, now_ms: int
) -> None:
    try:
        room, user = _member(tx, origin, room_id, user_id)
    except Forbidden:
        return
    for event_id, nid in events.find(tx, [i for i in read.event_ids[:1] if "\0" not in i]).items():
        entry = timeline.status(tx, nid)
        thread = read.data.thread_id or ""
        if entry is not None and entry.room == room and "\0" not in thread and len(thread) <= 255:
            ts = read.data.ts if 0 < read.data.ts <= now_ms else now_ms
            receipt = Receipt(room, user, "m.read", thread, event_id, ts)
            receipts.put(tx, receipt, (entry.position, entry.back), entry.unread)


def _member(tx: Transaction, origin: ServerName, room_id: RoomId, user_id: UserId) -> tuple[RoomNid, UserNid]:
    """A user of the server that says something about them, and a room that they are in (traps.md 43)."""
    if other_server(user_id, ServerName("")) != origin:
        raise Forbidden("user_id: a server speaks for its own users")
    name = rooms.find(tx, room_id) if "\0" not in room_id else None
    user = interning.find_user(tx, user_id) if "\0" not in user_id else None
    stay = membership.now(tx, user, name.nid) if name is not None and user is not None else None
    if name is None or user is None or stay is None or stay.membership != "join":
        raise Forbidden("user_id: this user is not in the room")
    if not acls.of_room(tx, rooms.get(tx, [name.nid])[name.nid]).allows(origin):
        raise Forbidden("The room's access control list does not let the server in")
    return name.nid, user


EDUS: Mapping[str, Edu] = {"m.typing": Edu(take_typing), "m.receipt": Edu(take_receipts)}
