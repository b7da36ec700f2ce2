"""The sections of a sync about devices: messages to the one that asks, how many of its keys are left, whose devices
changed.

A sync of which nothing of this is new asks the database nothing: what waits for a device is kept in memory while the
recent changes show that it holds, and whose devices changed stands in the recent changes themselves. Source:
client-server API, "Send-to-Device messaging", "Extensions to /sync"; traps.md 36, 37.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.base.cache import Cache
from oriz_matrix.protocol.encryption import SIGNED_CURVE25519
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.tokens import SyncToken
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes, devices_channel
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import device_lists, interning, to_device
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.recent import CAME, DEVICE_LIST, WENT, Change
from oriz_matrix.storage.to_device import DeviceState
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import DeviceNid, Position, RoomNid, UserNid

MESSAGES = 100
KNOWN_DEVICES = 20_000
NOTHING = DeviceState({}, (), None, None)

Json = dict[str, Any]


class _Held(NamedTuple):
    """What there is for a device, and as of which position at least."""

    at: Position
    state: DeviceState


class Waiting(NamedTuple):
    """Sections of an answer; `sent` is up to where messages were sent, where more wait."""

    body: Json
    sent: Position | None = None


class Devices:
    """Answers the part of syncs that is about devices."""

    def __init__(self, db: Database, changes: Changes) -> None:
        self._db = db
        self._changes = changes
        self._states: Cache[DeviceNid, _Held] = Cache("device_states", KNOWN_DEVICES)

    async def acknowledge(self, requester: Requester, token: SyncToken, upto: Position) -> None:
        """Deletes the messages that the device has: those that an answer with this token brought, and older ones."""
        state = await self._state(requester, upto)
        has = Position(min(_sent(token), upto))
        if requester.device is not None and state.oldest is not None and state.oldest <= has:
            await self._db.write(to_device.delete, requester.device, has)
            self._states.drop(requester.device)

    async def counts(self, requester: Requester, upto: Position) -> Json:
        """What stands in every answer. Clients with encryption wait for it from their first sync on, also for a 0."""
        state = await self._state(requester, upto)
        return {
            "device_one_time_keys_count": {SIGNED_CURVE25519: 0, **state.counts},
            "device_unused_fallback_key_types": state.unused_fallbacks,
        }

    async def sections(
        self, requester: Requester, token: SyncToken | None, window: Window, changes: Sequence[Change] | None
    ) -> Waiting:
        """Messages that wait; and the counts, where these have changed in the window."""
        if requester.device is None:
            return Waiting({})
        body: Json = {}
        own = f"devices {requester.user} {requester.device}"
        if changes is not None and any(change.channel == own for change in changes):
            body |= await self.counts(requester, window.upto)
        after = Position(0) if token is None or window.since is None else _sent(token)
        state = await self._state(requester, window.upto)
        if state.newest is None or state.newest <= after:
            return Waiting(body)
        found = await self._db.read(to_device.waiting, requester.device, after, window.upto, MESSAGES + 1)
        if found:
            body["to_device"] = {"events": [msgspec.Raw(message) for _, message in found[:MESSAGES]]}
        return Waiting(body, found[MESSAGES - 1][0] if len(found) > MESSAGES else None)

    async def lists(
        self, window: Window, stays: Sequence[Membership], changes: Sequence[Change] | None
    ) -> dict[str, list[UserId]]:
        """The users whose devices changed in the window, or who share a room with the reader now and did not before;
        and those who no longer do; a list of none is left out. `changes` are the recent ones, where they reach back."""
        if window.since is None:
            return {}
        news = _News.of(changes, window.reader.user)
        if news is not None and not news:
            return {}
        return await self._db.read(_lists, window, stays, news)

    async def _state(self, requester: Requester, upto: Position) -> DeviceState:
        if requester.device is None:
            return NOTHING
        held = self._states.get(requester.device)
        channel = devices_channel(requester.user)
        if held is not None and held.at <= upto and self._changes.untouched([channel], held.at):
            return held.state
        state = await self._db.read(to_device.state, requester.device)
        self._states.put(requester.device, _Held(upto, state))
        return state


@dataclass(slots=True)
class _News:
    """What the recent changes say: users whose devices changed or who came, by room (0: themselves); rooms that
    somebody left; whether the reader came or went."""

    changed: dict[RoomNid, set[UserNid]] = field(default_factory=dict)
    left: set[RoomNid] = field(default_factory=set)
    moved: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.left or self.moved)

    @classmethod
    def of(cls, changes: Sequence[Change] | None, reader: UserNid) -> "_News | None":
        """None where the changes do not reach back."""
        if changes is None:
            return None
        news = cls()
        for change in changes:
            if change.kind == "membership":
                if change.user == reader:
                    news.moved = True
                elif change.channel == CAME:
                    news.changed.setdefault(change.room, set()).add(change.user)
                elif change.channel == WENT:
                    news.left.add(change.room)
            elif change.kind == DEVICE_LIST and (change.room or change.user == reader):
                news.changed.setdefault(change.room, set()).add(change.user)
        return news


def _lists(tx: Transaction, window: Window, stays: Sequence[Membership], news: _News | None) -> dict[str, list[UserId]]:
    reader, after = window.reader.user, window.after
    joined = {stay.room for stay in stays if stay.membership == "join"}
    entered = [stay.room for stay in stays if stay.membership == "join" and stay.stay_since > after]
    exited = [stay.room for stay in stays if stay.membership != "join" and stay.since > after]
    changed = _changed(tx, joined, after, reader, news)
    changed |= device_lists.were_in(tx, entered, window.upto) - {reader}
    left_by_others = joined if news is None else joined & news.left
    gone = device_lists.have_left(tx, sorted(left_by_others), after) | _met(tx, exited, window)
    gone -= device_lists.members(tx, joined, gone) | {reader}
    names = interning.user_ids(tx, changed | gone)
    lists = {"changed": sorted(names[user] for user in changed - gone), "left": sorted(names[user] for user in gone)}
    return {name: users for name, users in lists.items() if users}


def _changed(
    tx: Transaction, joined: Collection[RoomNid], after: Position, reader: UserNid, news: _News | None
) -> set[UserNid]:
    if news is None:
        found = device_lists.changed(tx, joined, after) | device_lists.changed_self(tx, reader, after)
        return found | (device_lists.have_come(tx, joined, after) - {reader})
    return {user for room, users in news.changed.items() if not room or room in joined for user in users}


def _met(tx: Transaction, exited: Sequence[RoomNid], window: Window) -> set[UserNid]:
    """Whom the reader met in rooms that they were in when the window began, and are not now."""
    past = device_lists.was_in(tx, exited, window.reader.user, window.after)
    return device_lists.were_in(tx, past, window.after)


def _sent(token: SyncToken) -> Position:
    """Up to where the messages were sent that an answer with this token brought."""
    return Position(token.position if token.to_device is None else token.to_device)
