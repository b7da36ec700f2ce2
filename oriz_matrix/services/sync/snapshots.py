"""GET /initialSync and /rooms/{roomId}/initialSync: all that a client begins with, as views over what sync reads.

The first was used before /sync; the second still serves those who look into a room that they are not in. Presence is in
neither yet. Receipts are told as they always were, though the specification's answers have no place for them. Source:
client-server API, data/api/client-server/{old_sync,room_initial_sync}.yaml; "Room Previews".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.filters import DEFAULT_LIMIT, EVERYTHING, Filter, RoomEventFilter, RoomFilter
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.tokens import PageToken, SyncToken
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.client_events import Reader, Shown
from oriz_matrix.services.rooms.history import History, PageRequest
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.rooms.read import Read
from oriz_matrix.services.sync.old_reads import Found, account_data, find, invite, old_form
from oriz_matrix.services.sync.respond import SLICE
from oriz_matrix.services.sync.shape import Shaper
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import directory, membership
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

Json = dict[str, Any]

BEGINNING = str(PageToken(0))
"""Where nothing lies before."""


class SnapshotRequest(NamedTuple):
    """How many messages of each room are wanted, and whether rooms that were left are."""

    limit: int = DEFAULT_LIMIT
    archived: bool = False


class Snapshots:
    """Answers both."""

    def __init__(
        self, db: Database, changes: Changes, ignored: IgnoredUsers, rooms: tuple[Read, History], clock: Clock
    ) -> None:
        """`rooms`: how rooms are read by those who are not in them."""
        self._db = db
        self._changes = changes
        self._ignored = ignored
        self._read, self._history = rooms
        self._clock = clock

    async def account(self, requester: Requester, request: SnapshotRequest) -> Json:
        """Everything of a user, in the form of /initialSync."""
        upto = await self._changes.catch_up()
        stays = await self._db.read(membership.of_user, requester.user, upto)
        window = await self._window(requester, upto, request)
        rooms: list[Json] = []
        receipts: list[Json] = []
        own: list[Json] = []
        for start in range(0, max(len(stays), 1), SLICE):
            found = await self._db.read(find, window, stays[start : start + SLICE])
            shaper = Shaper(window, requester.user_id, found.data)
            for each in found.data.joined:
                rooms.append(_joined(window, found, shaper, each))
                receipts += _receipts(shaper, each)
            rooms += [_room(window, found, each, each.stay.membership) for each in found.data.left]
            rooms += [_invited(window, found, *one) for one in found.invites.values()]
            own = account_data(shaper)
        return {
            "end": str(SyncToken(upto)),
            "rooms": rooms,
            "receipts": receipts,
            "presence": [],
            "account_data": own,
        }

    async def room(self, requester: Requester, room_id: RoomId, limit: int) -> Json:
        """One room, in the form of /rooms/{roomId}/initialSync. Raises Forbidden for who may not look into it."""
        upto = await self._changes.catch_up()
        view, published = await self._db.read(_view, requester, room_id)
        stays = await self._db.read(membership.of_user, requester.user, upto)
        here = [stay for stay in stays if stay.room == view.name.nid and stay.membership == "join"]
        if not here:
            return await self._seen(requester, room_id, limit) | _kind(view.membership) | _visibility(published)
        window = await self._window(requester, upto, SnapshotRequest(limit))
        found = await self._db.read(find, window, here)
        shaper = Shaper(window, requester.user_id, found.data)
        [one] = found.data.joined
        return _joined(window, found, shaper, one) | {"receipts": _receipts(shaper, one), "presence": []}

    async def _window(self, requester: Requester, upto: Position, request: SnapshotRequest) -> Window:
        timeline = RoomEventFilter(limit=request.limit)
        return Window(
            reader=Reader(requester.user, requester.device),
            since=None,
            upto=upto,
            filter=Filter(room=RoomFilter(include_leave=request.archived, timeline=timeline)),
            use_state_after=True,
            ignored=await self._ignored.of(requester.user, upto),
            now_ms=self._clock.now_ms(),
        )

    async def _seen(self, requester: Requester, room_id: RoomId, limit: int) -> Json:
        """A room as it is seen by somebody who is not in it now."""
        state = await self._read.state(requester, room_id)
        request = PageRequest(None, backwards=True, to=None, limit=max(limit, 1), filter=EVERYTHING)
        page = await self._history.messages(requester, room_id, request)
        chunk = page["chunk"][:limit][::-1]
        start = page["start"] if limit == 0 else page.get("end", BEGINNING)
        messages = {"start": start, "end": page["start"], "chunk": chunk}
        return {"room_id": room_id, "messages": messages, "state": state, "account_data": [], **_NOBODY}


_NOBODY: Json = {"receipts": [], "presence": []}


def _view(tx: Transaction, requester: Requester, room_id: RoomId) -> tuple[access.View, bool]:
    return access.view(tx, requester.user, room_id), bool(directory.is_published(tx, room_id))


def _kind(membership: str | None) -> Json:
    return {} if membership is None else {"membership": membership}


def _visibility(published: bool) -> Json:
    return {"visibility": "public" if published else "private"}


def _joined(window: Window, found: Found, shaper: Shaper, room: SyncRoom) -> Json:
    return _room(window, found, room, "join") | {"account_data": shaper.room_account_data(room)}


def _room(window: Window, found: Found, room: SyncRoom, kind: str) -> Json:
    messages = {
        "start": str(room.prev_batch),
        "end": str(SyncToken(window.upto)),
        "chunk": _fragments(window, room.timeline),
    }
    return {
        "room_id": room.room_id,
        "membership": kind,
        "messages": messages,
        "state": _fragments(window, room.state),
        **_visibility(room.room_id in found.published),
    }


def _invited(window: Window, found: Found, shown: Shown, state: bytes) -> Json:
    event = invite(shown, state, window.now_ms)
    is_published = shown.event.room_id in found.published
    return {
        "room_id": shown.event.room_id,
        "membership": "invite",
        "inviter": shown.event.sender,
        "invite": event,
        **_visibility(is_published),
    }


def _receipts(shaper: Shaper, room: SyncRoom) -> list[Json]:
    return [{**one, "room_id": room.room_id} for one in shaper.ephemeral(room) if one["type"] == "m.receipt"]


def _fragments(window: Window, shown: Sequence[Shown]) -> list[msgspec.Raw]:
    return [old_form(one, window.now_ms) for one in shown]
