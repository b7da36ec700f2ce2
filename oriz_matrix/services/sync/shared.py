"""What many waiting syncs have in common, read and serialised once for all of them.

A message wakes everybody in the room, and nearly all of them get the same: they were in the room all the time, sent
nothing themselves, and nothing of their own changed. For them a room's part of the answer depends on the room and the
stretch alone; only what is unread differs, and is counted for all of them together. Whoever it does not fit goes the
general way, which is the truth: a test holds both answers equal.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
from cachetools import LRUCache

from oriz_matrix.protocol.filters import RoomFilter
from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.services.rooms.client_events import ClientEvents, Reader
from oriz_matrix.services.sync import extras, rooms
from oriz_matrix.services.sync.extras import COUNTING, Summary
from oriz_matrix.services.sync.read import SyncData
from oriz_matrix.services.sync.shape import Shaper, summary_json
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import unread
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.membership import HEROES, Membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid
from oriz_matrix.storage.unread import Counts

STRETCHES = 1_000
SHARED_KINDS = frozenset({"event", "receipt", "typing"})
NOBODY = Reader(UserNid(0), None)

_encode = msgspec.json.encode


class _Key(NamedTuple):
    room: RoomNid
    after: Position
    upto: Position
    filter: RoomFilter


@dataclass(frozen=True, slots=True)
class _Part:
    """A room's part of an answer: `json` lacks counts, summary and the closing brace; None where nothing is shown."""

    room_id: RoomId
    json: bytes | None
    senders: frozenset[UserNid]
    head: int
    upto: Position
    summary: Summary | None


class Shared:
    """The parts of the stretches that are asked for now, and who waits for counts."""

    def __init__(self, db: Database, client_events: ClientEvents) -> None:
        self._db = db
        self._client_events = client_events
        self._parts: LRUCache[_Key, asyncio.Future[_Part]] = LRUCache(STRETCHES)
        self._counting: dict[tuple[RoomNid, int, Position], _Counting] = {}

    async def rooms(self, window: Window, stays: Sequence[Membership], user_id: UserId) -> dict[str, Any] | None:
        """The joined rooms of an answer by id, or None where the reader needs the general way."""
        keys = _keys(window, stays)
        if keys is None:
            return None
        parts = await asyncio.gather(*(self._part(key, window) for key in keys))
        if any(window.reader.user in part.senders for part in parts):
            return None
        found: dict[str, Any] = {}
        for key, part in zip(keys, parts, strict=True):
            if part.json is not None:
                counts = None
                if window.touched.may(key.room, *COUNTING):
                    counts = await self._count(key.room, part, window.reader.user)
                found[part.room_id] = msgspec.Raw(part.json + _tail(part, counts, user_id))
        return found

    async def _part(self, key: _Key, window: Window) -> _Part:
        """One room's part, read once for all who ask while it is remembered."""
        future = self._parts.get(key)
        if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
            future = self._parts[key] = asyncio.ensure_future(self._read(key, window))
        return await asyncio.shield(future)

    async def _read(self, key: _Key, window: Window) -> _Part:
        common = replace(window, reader=NOBODY, since=key.after, upto=key.upto)
        data = await self._db.read(_room, common, key.room)
        [room] = data.joined
        shaped = Shaper(self._client_events, common, UserId(""), data).joined(room)
        if shaped:
            del shaped["summary"]
        return _Part(
            room_id=room.room_id,
            json=_encode(shaped)[:-1] if shaped else None,
            senders=frozenset(shown.entry.sender for shown in room.timeline),
            head=room.room.unread,
            upto=key.upto,
            summary=data.summaries.get(key.room),
        )

    async def _count(self, room: RoomNid, part: _Part, user: UserNid) -> Counts:
        """What is unread for one user, counted together with all who ask before the database is free."""
        key = (room, part.head, part.upto)
        counting = self._counting.get(key)
        if counting is None:
            counting = self._counting[key] = _Counting([], asyncio.ensure_future(self._count_all(key)))
        counting.users.append(user)
        return (await asyncio.shield(counting.done))[user]

    async def _count_all(self, key: tuple[RoomNid, int, Position]) -> dict[UserNid, Counts]:
        await asyncio.sleep(0)
        room, head, upto = key
        return await self._db.read(unread.counts, room, head, self._counting.pop(key).users, upto)


class _Counting(NamedTuple):
    """Who waits for counts of a room, and the counts."""

    users: list[UserNid]
    done: asyncio.Future[dict[UserNid, Counts]]


def _keys(window: Window, stays: Sequence[Membership]) -> list[_Key] | None:
    """The stretches of the joined rooms that changed, or None where something is for the reader alone."""
    touched = window.touched
    if touched.rooms is None or window.filter.event_fields is not None or window.filter.event_format != "client":
        return None
    keys = []
    for stay in stays:
        if stay.membership == "join" and (kinds := touched.rooms.get(stay.room)) is not None:
            if not kinds <= SHARED_KINDS:
                return None
            first, last = touched.stretches[stay.room]
            keys.append(_Key(stay.room, Position(first - 1), last, window.filter.room))
    return keys


def _room(tx: Transaction, window: Window, nid: RoomNid) -> SyncData:
    """What a room's part is made of."""
    found = [rooms.unchanged_reader(tx, window, nid)]
    return SyncData(
        joined=found,
        left=[],
        invited={},
        knocked={},
        receipts=extras.receipt_events(tx, window, found),
        typing=extras.typing_events(tx, window, found),
        account_data={},
        counts={},
        summaries=extras.summaries(tx, window, found),
        push_rules=None,
        has_push_rules=False,
    )


def _tail(part: _Part, counts: Counts | None, user_id: UserId) -> bytes:
    """What differs by reader, and the closing brace."""
    tail = b""
    if counts is not None:
        tail = b',"unread_notifications":{"notification_count":%d,"highlight_count":%d}' % counts
    summary = part.summary
    if summary is not None:
        heroes = [hero for hero in summary.heroes if hero != user_id][:HEROES]
        summary = summary._replace(heroes=heroes)
    return tail + b',"summary":' + _encode(summary_json(summary)) + b"}"
