"""From what was read to the answer of GET /sync. Source: client-server API, "Syncing"."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from oriz_matrix.protocol.events import redacted
from oriz_matrix.protocol.filters import EventFilter, Filter, RoomFilter
from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.protocol.push.rules import UserRules, merge, to_json
from oriz_matrix.services.rooms.client_events import Shown, fragment
from oriz_matrix.services.sync.read import SyncData
from oriz_matrix.services.sync.summaries import Summary
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage.account_data import GLOBAL, AccountData
from oriz_matrix.storage.reckoning import Count
from oriz_matrix.storage.unread import Counts

Json = dict[str, Any]

AT_A_TIME = 10
"""Rooms that are shaped in one go: two milliseconds or so, in which nobody else is served."""

_encode = msgspec.json.Encoder().encode


class Shaper:
    """Shapes one answer."""

    def __init__(self, window: Window, user_id: UserId, data: SyncData) -> None:
        self._window = window
        self._filter: Filter = window.filter
        self._user_id = user_id
        self._data = data

    async def answer(self) -> Json:
        """All sections but `next_batch`; sections of which there is nothing to say are left out."""
        data = self._data
        joined = await self._joined()
        left = {room.room_id: self._left(room) for room in data.left}
        rooms = {
            "join": joined,
            "leave": left,
            "invite": {room_id: {"invite_state": _raw_events(state)} for room_id, state in data.invited.items()},
            "knock": {room_id: {"knock_state": _raw_events(state)} for room_id, state in data.knocked.items()},
        }
        rooms = {section: members for section, members in rooms.items() if members}
        account_data = self.global_account_data()
        answer: Json = {"rooms": rooms} if rooms else {}
        if account_data:
            answer["account_data"] = {"events": account_data}
        return answer

    async def _joined(self) -> dict[RoomId, msgspec.Raw]:
        """The joined rooms by id, as JSON: one after the other, with others' turns in between."""
        joined = {}
        for number, room in enumerate(self._data.joined, 1):
            if shaped := self.joined(room):
                joined[room.room_id] = msgspec.Raw(_encode(shaped))
            if number % AT_A_TIME == 0:
                await asyncio.sleep(0)
        return joined

    def joined(self, room: SyncRoom) -> Json:
        """One joined room; empty where there is nothing to say of it."""
        shaped, counts = self.quiet(room), self._data.counts.get(room.room.nid)
        if counts is None:
            return shaped if is_news(room, shaped) else {}
        return shaped | counts_json(counts, self._filter.room)

    def quiet(self, room: SyncRoom) -> Json:
        """One joined room without counts, also where there is nothing to say of it."""
        return {
            **self._events(room),
            "ephemeral": {"events": self.ephemeral(room)},
            "account_data": {"events": self.room_account_data(room)},
            "summary": summary_json(room.summary),
        }

    def _left(self, room: SyncRoom) -> Json:
        return {**self._events(room), "account_data": {"events": []}}

    def _events(self, room: SyncRoom) -> Json:
        timeline = [self._event(shown) for shown in room.timeline]
        state = "state_after" if self._window.use_state_after else "state"
        return {
            "timeline": {"events": timeline, "limited": room.limited, "prev_batch": str(room.prev_batch)},
            state: {"events": [self._event(shown) for shown in room.state]},
        }

    def _event(self, shown: Shown) -> Any:
        if self._filter.event_format == "federation":
            event = shown.event if shown.redaction is None else redacted(shown.event)
            return self._filter.project({**event.pdu, "event_id": event.event_id})
        whole = fragment(shown, self._window.now_ms, with_room=False)
        if self._filter.event_fields is None:
            return whole
        return self._filter.project(msgspec.json.decode(whole))

    def ephemeral(self, room: SyncRoom) -> list[Json]:
        """What is read and typed in a room."""
        if not self._filter.room.ephemeral.allows_room(room.room_id):
            return []
        found: list[Json] = [
            {"type": "m.receipt", "content": content} for content in self._data.receipts.get(room.room.nid, ())
        ]
        if (content := self._data.typing.get(room.room.nid)) is not None:
            found.append({"type": "m.typing", "content": content})
        return found

    def room_account_data(self, room: SyncRoom) -> list[Json]:
        """What clients keep for their user with a room."""
        wanted = self._filter.room.account_data
        rows = self._data.account_data.get(room.room.nid, ()) if wanted.allows_room(room.room_id) else ()
        return self._account_data(rows, wanted)

    def _account_data(self, rows: Sequence[AccountData], wanted: EventFilter) -> list[Json]:
        return [
            {"type": row.type, "content": msgspec.Raw(row.content)} for row in rows if wanted.allows(row.type, None)
        ]

    def global_account_data(self) -> list[Json]:
        """What clients keep for their user with the account, and the push rules."""
        found = self._account_data(self._data.account_data.get(GLOBAL, ()), self._filter.account_data)
        if self._data.has_push_rules and self._filter.account_data.allows("m.push_rules", None):
            stored = self._data.push_rules
            rules = UserRules() if stored is None else msgspec.json.decode(stored, type=UserRules)
            found.append({"type": "m.push_rules", "content": to_json(merge(rules, self._user_id))})
        return found


def is_news(room: SyncRoom, shaped: Json) -> bool:
    """Whether what was shaped of a joined room says anything."""
    return room.fresh or room.limited or any(part.get("events") for part in shaped.values())


def counts_json(counts: Counts, wanted: RoomFilter) -> Json:
    """What is unread: in the whole room, or where the filter wants that for the main timeline and each thread."""
    if not wanted.timeline.unread_thread_notifications:
        return {"unread_notifications": _count_json(counts.total)}
    threads = {root: _count_json(count) for root, count in counts.threads.items()}
    return {
        "unread_notifications": _count_json(counts.main),
        **({"unread_thread_notifications": threads} if threads else {}),
    }


def _count_json(count: Count) -> Json:
    return {"notification_count": count.notifications, "highlight_count": count.highlights}


def summary_json(summary: Summary | None) -> Json:
    """A room's summary; empty where it did not change. Heroes stand only for a name that the room has not."""
    if summary is None:
        return {}
    return {
        **({} if summary.heroes is None else {"m.heroes": summary.heroes}),
        "m.joined_member_count": summary.joined,
        "m.invited_member_count": summary.invited,
    }


def _raw_events(state: bytes) -> Mapping[str, Any]:
    return {"events": msgspec.Raw(state)}
