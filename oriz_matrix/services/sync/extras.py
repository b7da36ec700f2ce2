"""What goes with the rooms of a sync answer: receipts and typing, account data, counts, summaries."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.services.sync.rooms import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import account_data, interning, membership, receipts, typing, unread
from oriz_matrix.storage.account_data import AccountData
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid
from oriz_matrix.storage.unread import Counts

COUNTING = ("event", "receipt", "private receipt")


class Summary(NamedTuple):
    """Who is in a room: counts, and the first few others by whom a client can name it."""

    heroes: Sequence[UserId]
    joined: int
    invited: int


def receipt_events(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, dict[str, Any]]:
    """By room, the content of m.receipt: all receipts for a room that is new to the client, else the newer ones."""
    wanted = window.filter.room.ephemeral
    if not wanted.allows_type("m.receipt"):
        return {}
    fresh = [room.room.nid for room in found if room.fresh]
    known = [r.room.nid for r in found if not r.fresh and window.touched.may(r.room.nid, "receipt", "private receipt")]
    rows = receipts.changed(tx, fresh, Position(0), window.reader.user) if fresh else []
    rows += receipts.changed(tx, known, window.after, window.reader.user) if known else []
    names = interning.user_ids(tx, {row.user for row in rows})
    contents: dict[RoomNid, dict[str, Any]] = {}
    for row in rows:
        by_user = contents.setdefault(row.room, {}).setdefault(row.event_id, {}).setdefault(row.kind, {})
        # One user may hold an unthreaded and several threaded receipts at one event, but the format has place for one.
        thread = {"thread_id": row.thread} if row.thread else {}
        by_user[names[row.user]] = {"ts": row.ts, **thread}
    return contents


def typing_events(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, dict[str, Any]]:
    """By room in which somebody began or stopped, the content of m.typing; of new rooms only where somebody types."""
    if not window.filter.room.ephemeral.allows_type("m.typing"):
        return {}
    fresh = {room.room.nid for room in found if room.fresh}
    known = [room.room.nid for room in found if not room.fresh and window.touched.may(room.room.nid, "typing")]
    changed = typing.changed(tx, known, window.after) if known else set()
    if not fresh and not changed:
        return {}
    now = typing.typing(tx, [*fresh, *changed], window.now_ms)
    names = interning.user_ids(tx, {user for users in now.values() for user in users})
    shown = changed | {room for room in fresh if room in now}
    return {room: {"user_ids": [names[user] for user in now.get(room, [])]} for room in shown}


def account_data_of(tx: Transaction, window: Window) -> Mapping[RoomNid, Sequence[AccountData]]:
    """By room (`GLOBAL` is the account), what is new of the reader's account data; everything in a first sync."""
    if window.since is None or window.full_state:
        rows = account_data.of_user(tx, window.reader.user)
    elif window.touched.rooms is None or any("account data" in kinds for kinds in window.touched.rooms.values()):
        rows = account_data.changed(tx, window.reader.user, window.since, window.upto)
    else:
        rows = []
    found: dict[RoomNid, list[AccountData]] = {}
    for row in rows:
        found.setdefault(row.room, []).append(row)
    return found


def counts(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, Counts]:
    """By room that may have changed, what is unread for the reader."""
    user = window.reader.user
    return {
        room.room.nid: unread.counts(tx, room.room.nid, room.room.unread, [user], window.upto)[user]
        for room in found
        if room.fresh or window.touched.may(room.room.nid, *COUNTING)
    }


def summaries(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, Summary]:
    """By room whose members changed, its summary (client-server API, "Syncing", RoomSummary)."""
    return {room.room.nid: _summary(tx, window, room.room) for room in found if room.members_changed}


def _summary(tx: Transaction, window: Window, room: Room) -> Summary:
    heroes = membership.heroes(tx, room.nid, window.reader.user, ("join", "invite"), window.upto)
    if not heroes:
        heroes = membership.heroes(tx, room.nid, window.reader.user, ("leave", "ban"), window.upto)
    names = interning.user_ids(tx, heroes)
    return Summary([names[hero] for hero in heroes], room.joined, room.invited)
