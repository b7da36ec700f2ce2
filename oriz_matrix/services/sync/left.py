"""The rooms of a sync answer that the reader is no longer in: each up to the end of their stay, and nothing later.

What the reader's own membership became after that is told, for it concerns them; what happened in between is not
(traps.md 44). An invite from somebody whom they ignore is told of nowhere, so that a room they were in is here then.
"""

from collections.abc import Sequence

from oriz_matrix.protocol.event_contents import member_key
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.tokens import before
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.client_events import show_events
from oriz_matrix.services.sync.invited import hidden
from oriz_matrix.services.sync.rooms import candidates, fill
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.timelines import Seen, passes
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import interning, membership, room_state
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

ENDED = ("leave", "ban")
SHOWN = ("join", "invite", "knock")


def left(tx: Transaction, window: Window, stays: Sequence[Membership]) -> list[SyncRoom]:
    """The rooms whose stay ended in the window (or ever, if a first sync asks for them)."""
    include = window.since is None and window.filter.room.include_leave
    ended = [s for s in stays if s.membership in ENDED and _is_wanted(s, window, include=include)]
    ended += [s for s in hidden(tx, window, stays) if _was_shown(tx, window, s)]
    found = candidates(tx, window, ended, all_of_them=True)
    for room in found:
        _fill(tx, window, room)
    return found


def _is_wanted(stay: Membership, window: Window, *, include: bool) -> bool:
    """A room that was forgotten is told of no more, but for its end to who does not know of it yet."""
    return not stay.forgotten if include else (window.since or stay.since) < stay.since


def _was_shown(tx: Transaction, window: Window, stay: Membership) -> bool:
    """Whether the client may know the room from before the window in another section."""
    return _membership_at(membership.of_user_in(tx, stay.user, stay.room), window.after) in SHOWN


def _fill(tx: Transaction, window: Window, room: SyncRoom) -> None:
    past = membership.of_user_in(tx, window.reader.user, room.room.nid)
    end = access.end_of_stay(past)
    if end is not None and end > window.after:
        room.fresh = _membership_at(past, window.after) != "join"
        fill(tx, window, end, [Seen(room, access.sight(tx, window.reader.user, room.room))])
    else:
        room.prev_batch = before(room.stay.since, 0)
    if end != room.stay.since and room.stay.membership in ENDED:
        _add_membership(tx, window, room, end)


def _add_membership(tx: Transaction, window: Window, room: SyncRoom, end: Position | None) -> None:
    """The reader's newest membership: in the timeline, or where its filter drops it in the state (traps.md 48)."""
    wanted = window.filter.room
    for shown in show_events(tx, [room.stay.event], window.reader):
        in_timeline = wanted.timeline.count() > 0 and passes(wanted.timeline, shown)
        if in_timeline:
            room.timeline.append(shown)
            if wanted.state.lazy_load_members and end is not None:
                _add_member(tx, window, room, StateAt(room.room.current.branch, end), shown.event.sender)
        if passes(wanted.state, shown) and (window.use_state_after or not in_timeline):
            room.state = [each for each in room.state if each.event.key != shown.event.key] + [shown]


def _add_member(tx: Transaction, window: Window, room: SyncRoom, state: StateAt, user_id: UserId) -> None:
    """Somebody's member event as the reader last knew it, for a client that loads members lazily."""
    numbers = interning.find_state_keys(tx, [member_key(user_id)])
    for shown in show_events(tx, room_state.get(tx, state, list(numbers.values())).values(), window.reader):
        told = {each.event.key for each in (*room.state, *room.timeline) if each.event.is_state}
        if shown.event.key not in told and passes(window.filter.room.state, shown):
            room.state.append(shown)


def _membership_at(past: Sequence[Membership], position: Position) -> str | None:
    known = [stay.membership for stay in past if stay.since <= position]
    return known[-1] if known else None
