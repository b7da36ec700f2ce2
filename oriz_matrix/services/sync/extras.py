"""What goes with the rooms of a sync answer: receipts and typing, account data, counts."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import account_data, interning, membership, receipts, typing, unread
from oriz_matrix.storage.account_data import AccountData
from oriz_matrix.storage.receipts import Receipt
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid
from oriz_matrix.storage.unread import Counts

READING = ("receipt", "private receipt")
COUNTING = ("event", *READING)


def receipt_events(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, list[dict[str, Any]]]:
    """By room, the contents of m.receipt: all receipts for a room that is new to the client, else the newer ones."""
    if not window.filter.room.ephemeral.allows("m.receipt", None):
        return {}
    fresh = [room.room.nid for room in found if room.fresh]
    known = [r.room.nid for r in found if not r.fresh and window.touched.may(r.room.nid, "receipt", "private receipt")]
    rows = receipts.changed(tx, fresh, Position(0), window.reader.user) if fresh else []
    rows += receipts.changed(tx, known, window.after, window.reader.user) if known else []
    rows = [row for row in rows if row.user not in window.ignored.users]
    names = interning.user_ids(tx, {row.user for row in rows})
    contents: dict[RoomNid, list[dict[str, Any]]] = {}
    for row in rows:
        _add_receipt(contents.setdefault(row.room, []), row, names[row.user])
    return contents


def _add_receipt(contents: list[dict[str, Any]], row: Receipt, user: UserId) -> None:
    """Puts a receipt into the first content that has place for it.

    One user may hold an unthreaded and several threaded receipts at one event, and the format has place for one, so the
    others go into further events (traps.md 52).
    """
    thread = {"thread_id": row.thread} if row.thread else {}
    content = next((c for c in contents if user not in c.get(row.event_id, {}).get(row.kind, {})), None)
    if content is None:
        content = {}
        contents.append(content)
    content.setdefault(row.event_id, {}).setdefault(row.kind, {})[user] = {"ts": row.ts, **thread}


def typing_events(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, dict[str, Any]]:
    """By room in which somebody began or stopped, the content of m.typing; of new rooms where somebody types.

    A first sync tells also where nobody does any more: the client may begin once again.

    A room can be new once more (`full_state`, or the reader left and came back) to a client that knows who typed.
    """
    if not window.filter.room.ephemeral.allows("m.typing", None):
        return {}
    fresh = {room.room.nid for room in found if room.fresh}
    asked = [room.room.nid for room in found if room.fresh or window.touched.may(room.room.nid, "typing")]
    ignored = window.ignored.users
    changed = typing.changed(tx, asked, window.after, ignored) if asked else set()
    if not fresh and not changed:
        return {}
    everybody = typing.typing(tx, [*fresh, *changed], window.now_ms)
    now = {room: _present(tx, room, users, ignored) for room, users in everybody.items()}
    names = interning.user_ids(tx, {user for users in now.values() for user in users})
    shown = changed | {room for room in fresh if now.get(room)}
    return {room: {"user_ids": [names[user] for user in now.get(room, [])]} for room in shown}


def _present(tx: Transaction, room: RoomNid, users: Sequence[UserNid], but: Collection[UserNid]) -> list[UserNid]:
    """Those who are in the room: a notice may have come in the moment in which its user left."""
    stays = membership.of_users_in(tx, users, room)
    return [user for user in users if user in stays and stays[user].membership == "join" and user not in but]


def account_data_of(
    tx: Transaction, window: Window, found: Sequence[SyncRoom]
) -> Mapping[RoomNid, Sequence[AccountData]]:
    """By room (`GLOBAL` is the account), what is new of the reader's account data; everything in a first sync, and of a
    room that is new to the client."""
    if window.since is None or window.full_state:
        rows = account_data.of_user(tx, window.reader.user)
    elif fresh := {room.room.nid for room in found if room.fresh}:
        rows = [row for row in account_data.of_user(tx, window.reader.user) if row.room in fresh]
        changed = account_data.changed(tx, window.reader.user, window.since, window.upto)
        rows += [row for row in changed if row.room not in fresh]
    elif window.touched.rooms is None or any("account data" in kinds for kinds in window.touched.rooms.values()):
        rows = account_data.changed(tx, window.reader.user, window.since, window.upto)
    else:
        rows = []
    by_room: dict[RoomNid, list[AccountData]] = {}
    for row in rows:
        by_room.setdefault(row.room, []).append(row)
    return by_room


def counts(tx: Transaction, window: Window, found: Sequence[SyncRoom]) -> dict[RoomNid, Counts]:
    """By room that may have changed, what is unread for the reader; where nothing else is told, only if it changed."""
    rooms = {
        room.room.nid: room.room
        for room in found
        if room.fresh or window.ignores_others or window.touched.may(room.room.nid, *COUNTING)
    }
    readers = {(nid, window.reader.user): window.ignored.users for nid in rooms}
    counted = unread.counts(tx, readers, rooms, window.upto)
    quiet = {room.room.nid for room in found if room.room.nid in rooms and _is_quiet(window, room)}
    before = unread.counts(tx, {key: who for key, who in readers.items() if key[0] in quiet}, rooms, window.after)
    return {key[0]: count for key, count in counted.items() if before.get(key) != count}


def _is_quiet(window: Window, room: SyncRoom) -> bool:
    """Whether nothing is told of a room but perhaps its counts, which nobody's receipts have moved."""
    has_news = room.fresh or room.limited or room.timeline or room.state or room.summary is not None
    is_counted_anew = window.ignores_others or window.touched.may(room.room.nid, *READING)
    return not has_news and not is_counted_anew
