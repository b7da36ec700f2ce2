"""What many waiting syncs have in common, read and serialised once for all of them.

A message wakes everybody in the room, and nearly all of them get the same: they were in the room all the time, sent
nothing themselves, and nothing of their own changed. For them a room's part of the answer depends on the room and the
stretch alone; only what is unread differs, and is counted for all of them together. Whoever it does not fit goes the
general way, which is the truth: a test holds both answers equal.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
from cachetools import LRUCache

from oriz_matrix.protocol.filters import RoomFilter
from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.services.rooms.client_events import Reader
from oriz_matrix.services.sync import extras, rooms
from oriz_matrix.services.sync.extras import COUNTING
from oriz_matrix.services.sync.read import SyncData
from oriz_matrix.services.sync.shape import Shaper, summary_json
from oriz_matrix.services.sync.summaries import Summary
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import unread
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.membership import HEROES, Membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid
from oriz_matrix.storage.unread import Counts

STRETCHES = 1_000
SHARED_KINDS = frozenset({"event", "membership", "receipt", "typing"})
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
    summary: Summary | None


class Shared:
    """The parts that are asked for now, each with those who wait for it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._parts: LRUCache[_Key, _Part] = LRUCache(STRETCHES)
        self._asked: dict[_Key, _Asked] = {}

    async def rooms(self, window: Window, stays: Sequence[Membership], user_id: UserId) -> dict[str, Any] | None:
        """The joined rooms of an answer by id, or None where the reader needs the general way."""
        keys = _keys(window, stays)
        if keys is None:
            return None
        found: dict[str, Any] = {}
        for part, counts in await asyncio.gather(*(self._ask(key, window) for key in keys)):
            if window.reader.user in part.senders or _is_alone(part, user_id):
                return None
            if part.json is not None:
                found[part.room_id] = msgspec.Raw(part.json + _tail(part, counts, user_id))
        return found

    async def _ask(self, key: _Key, window: Window) -> tuple[_Part, Counts | None]:
        """A room's part and what is unread in it for the reader: one read for all who ask in the same moment."""
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = _Asked([], asyncio.ensure_future(self._answer(key, window)))
        asked.users.append(window.reader.user)
        part, counts = await asyncio.shield(asked.answer)
        return part, counts.get(window.reader.user)

    async def _answer(self, key: _Key, window: Window) -> tuple[_Part, Mapping[UserNid, Counts]]:
        await asyncio.sleep(0)  # lets the others ask
        users = self._asked.pop(key).users
        if not window.touched.may(key.room, *COUNTING):
            users = []
        part = self._parts.get(key)
        if part is not None:
            if not users:
                return part, {}
            return part, await self._db.read(_count, key.room, part.head, users, key.upto)
        common = replace(window, reader=NOBODY, since=key.after, upto=key.upto)
        data, counts = await self._db.read(_room, common, key.room, users)
        part = self._parts[key] = self._shape(common, data)
        return part, counts

    def _shape(self, window: Window, data: SyncData) -> _Part:
        [room] = data.joined
        shaped: dict[str, Any] = {}
        if window.filter.room.allows_room(room.room_id):
            shaped = Shaper(window, UserId(""), data).joined(room)
            shaped.pop("summary", None)
        return _Part(
            room_id=room.room_id,
            json=_encode(shaped)[:-1] if shaped else None,
            senders=frozenset(shown.entry.sender for shown in room.timeline),
            head=room.room.unread,
            summary=room.summary,
        )


def _is_alone(part: _Part, user_id: UserId) -> bool:
    """Whether the reader is the only one in the room: their heroes are then those who left."""
    return part.summary is not None and list(part.summary.heroes) == [user_id]


class _Asked(NamedTuple):
    """Who waits for a part, and the part with the counts of all of them."""

    users: list[UserNid]
    answer: asyncio.Future[tuple[_Part, Mapping[UserNid, Counts]]]


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


def _room(
    tx: Transaction, window: Window, nid: RoomNid, users: Sequence[UserNid]
) -> tuple[SyncData, dict[UserNid, Counts]]:
    """What a room's part is made of, and the counts of those who ask for it."""
    room = rooms.unchanged_reader(tx, window, nid)
    data = SyncData(
        joined=[room],
        left=[],
        invited={},
        knocked={},
        receipts=extras.receipt_events(tx, window, [room]),
        typing=extras.typing_events(tx, window, [room]),
        account_data={},
        counts={},
        push_rules=None,
        has_push_rules=False,
    )
    return data, _count(tx, nid, room.room.unread, users, window.upto)


def _count(tx: Transaction, nid: RoomNid, head: int, users: Sequence[UserNid], upto: Position) -> dict[UserNid, Counts]:
    counted = unread.counts(tx, [(nid, user) for user in users], {nid: head}, upto)
    return {user: counts for (_, user), counts in counted.items()}


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
