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
from oriz_matrix.services.rooms import ignored
from oriz_matrix.services.rooms.client_events import Reader
from oriz_matrix.services.sync import extras, rooms
from oriz_matrix.services.sync.extras import COUNTING, READING
from oriz_matrix.services.sync.read import SyncData
from oriz_matrix.services.sync.shape import Shaper, counts_json, is_news, summary_json
from oriz_matrix.services.sync.summaries import Summary
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import unread
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.membership import HEROES, Membership
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid
from oriz_matrix.storage.unread import Counts

_Readers = Mapping[UserNid, frozenset[UserNid]]
"""Those who ask, each with whom they ignore."""

STRETCHES = 1_000
SHARED_KINDS = frozenset({"event", "membership", "receipt", "typing"})
NOBODY = Reader(UserNid(0), None)

_encode = msgspec.json.encode


class _Key(NamedTuple):
    room: RoomNid
    after: Position
    upto: Position
    filter: RoomFilter
    use_state_after: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """A room's part of an answer: `json` lacks counts, summary and the closing brace; None where the filter drops it.

    is_news: whether it says anything, so that it is sent without counts as well; people: who sent, read or types
    something in it, of whom somebody may not want to hear.
    """

    room: Room
    room_id: RoomId
    json: bytes | None
    is_news: bool
    senders: frozenset[UserNid]
    people: frozenset[UserId]
    summary: Summary | None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is told of the room but perhaps its counts."""
        return not self.is_news and self.summary is None


_Answer = tuple[_Part, Mapping[UserNid, Counts]]
"""A room's part, and what is unread in it for those who asked."""


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
        reader = window.reader.user
        for answer in [self._ask(key, window) for key in keys]:
            part, counts = await asyncio.shield(answer)  # others wait for it too
            if _is_personal(part, window, user_id):
                return None
            if part.json is not None and (part.is_news or reader in counts):
                tail = _tail(part, counts.get(reader), window.filter.room, user_id)
                found[part.room_id] = msgspec.Raw(part.json + tail)
        return found

    def _ask(self, key: _Key, window: Window) -> "asyncio.Future[_Answer]":
        """A room's part and what is unread in it: one read for all who ask in the same moment."""
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = _Asked({}, asyncio.ensure_future(self._answer(key, window)))
        asked.users[window.reader.user] = window.ignored.users
        return asked.answer

    async def _answer(self, key: _Key, window: Window) -> _Answer:
        await asyncio.sleep(0)  # lets the others ask
        users = self._asked.pop(key).users
        if not window.touched.may(key.room, *COUNTING):
            users = {}
        part = self._parts.get(key)
        if part is not None:
            if not users:
                return part, {}
            counts = await self._db.read(_count, part.room, users, key.upto)
        else:
            common = replace(window, reader=NOBODY, since=key.after, upto=key.upto, ignored=ignored.NOBODY)
            data, counts = await self._db.read(_room, common, key.room, users)
            part = self._parts[key] = self._shape(common, data)
        if counts and part.is_quiet and not window.touched.may(key.room, *READING):
            before = await self._db.read(_count, part.room, users, key.after)
            counts = {user: count for user, count in counts.items() if before[user] != count}
        return part, counts

    def _shape(self, window: Window, data: SyncData) -> _Part:
        [room] = data.joined
        shaped = Shaper(window, UserId(""), data).quiet(room)
        del shaped["summary"]
        is_allowed = window.filter.room.allows_room(room.room_id)
        return _Part(
            room=room.room,
            room_id=room.room_id,
            json=_encode(shaped)[:-1] if is_allowed else None,
            is_news=is_news(room, shaped),
            senders=frozenset(shown.entry.sender for shown in room.timeline),
            people=_people(data),
            summary=room.summary,
        )


def _people(data: SyncData) -> frozenset[UserId]:
    """Who sent, read or types something."""
    sent = {shown.event.sender for room in data.joined for shown in room.timeline if not shown.event.is_state}
    types = {user for content in data.typing.values() for user in content["user_ids"]}
    read = {
        user
        for contents in data.receipts.values()
        for content in contents
        for kinds in content.values()
        for users in kinds.values()
        for user in users
    }
    return frozenset(sent | types | read)


def _is_personal(part: _Part, window: Window, user_id: UserId) -> bool:
    """Whether the reader gets something else: they sent something, ignore somebody in it, or are alone in the room, so
    that their heroes are those who left."""
    is_alone = part.summary is not None and list(part.summary.heroes or ()) == [user_id]
    return is_alone or window.reader.user in part.senders or not part.people.isdisjoint(window.ignored.user_ids)


class _Asked(NamedTuple):
    """Who waits for a part, each with whom they ignore, and the part with the counts of all of them."""

    users: dict[UserNid, frozenset[UserNid]]
    answer: asyncio.Future[_Answer]


def _keys(window: Window, stays: Sequence[Membership]) -> list[_Key] | None:
    """The stretches of the joined rooms that changed, or None where something is for the reader alone."""
    touched = window.touched
    if touched.rooms is None or window.filter.event_fields is not None or window.filter.event_format != "client":
        return None
    if not touched.typists.isdisjoint(window.ignored.users):  # of them, that they stopped is not told either
        return None
    keys = []
    for stay in stays:
        if stay.membership == "join" and (kinds := touched.rooms.get(stay.room)) is not None:
            if not kinds <= SHARED_KINDS:
                return None
            first, last = touched.stretches[stay.room]
            keys.append(_Key(stay.room, Position(first - 1), last, window.filter.room, window.use_state_after))
    return keys


def _room(tx: Transaction, window: Window, nid: RoomNid, users: _Readers) -> tuple[SyncData, dict[UserNid, Counts]]:
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
    return data, _count(tx, room.room, users, window.upto)


def _count(tx: Transaction, room: Room, users: _Readers, upto: Position) -> dict[UserNid, Counts]:
    readers = {(room.nid, user): ignored for user, ignored in users.items()}
    counted = unread.counts(tx, readers, {room.nid: room}, upto)
    return {user: counts for (_, user), counts in counted.items()}


def _tail(part: _Part, counts: Counts | None, wanted: RoomFilter, user_id: UserId) -> bytes:
    """What differs by reader, and the closing brace."""
    tail = b"" if counts is None else b"," + _encode(counts_json(counts, wanted))[1:-1]
    summary = part.summary
    if summary is not None and summary.heroes is not None:
        summary = summary._replace(heroes=[hero for hero in summary.heroes if hero != user_id][:HEROES])
    return tail + b',"summary":' + _encode(summary_json(summary)) + b"}"
