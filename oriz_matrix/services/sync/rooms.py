"""The rooms of a sync answer: which stand in which section, and what each has of timeline and state.

Everything is read as of the settled position `window.upto`: memberships and states are intervals, so a change that is
committed between two reads cannot move a room out of all sections.
"""

from collections.abc import Sequence

from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.client_events import Shown, show, show_events
from oriz_matrix.services.sync.states import states
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.timelines import Seen, passes, timelines
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import membership, rooms
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, RoomNid


def joined(tx: Transaction, window: Window, stays: Sequence[Membership]) -> list[SyncRoom]:
    """The rooms that the reader is in, of which something may be new, with timeline and state."""
    found = candidates(tx, window, [stay for stay in stays if stay.membership == "join"])
    fresh = {room.room.nid: room for room in found if room.fresh}
    stays_in = membership.of_user_in_rooms(tx, window.reader.user, list(fresh)) if fresh else {}
    sights = access.sights(tx, {nid: room.room.current.branch for nid, room in fresh.items()}, stays_in)
    fill(tx, window, window.upto, [Seen(room, sights.get(room.room.nid)) for room in found])
    for room in found:
        is_new = room.fresh and window.since is not None and not window.full_state
        if is_new and (_was_in(room, stays_in.get(room.room.nid, [])) or not _is_whole(room)):
            # The client may have a part of this timeline, from an earlier stay or a look into the room.
            room.limited = True
    return found


def unchanged_reader(tx: Transaction, window: Window, nid: RoomNid) -> SyncRoom:
    """One room as everybody sees it who was in it all the time and sent nothing: timeline and state of the window."""
    room = SyncRoom(
        room_id=rooms.name(tx, nid).room_id,
        room=rooms.get(tx, [nid])[nid],
        stay=Membership(window.reader.user, nid, Position(0), "join", EventNid(0), Position(0)),
        fresh=False,
    )
    fill(tx, window, window.upto, [Seen(room, None)])
    return room


def candidates(
    tx: Transaction, window: Window, stays: Sequence[Membership], *, all_of_them: bool = False
) -> list[SyncRoom]:
    """Those rooms of the stays that the filter lets through and in which something may be new."""
    names = {stay.room: rooms.name(tx, stay.room).room_id for stay in stays}
    wanted = [
        stay
        for stay in stays
        if window.filter.room.allows_room(names[stay.room])
        and (
            all_of_them
            or _is_fresh(window, stay)
            or window.ignores_others
            or window.touched.rooms is None
            or stay.room in window.touched.rooms
        )
    ]
    rows = rooms.get(tx, [stay.room for stay in wanted]) if wanted else {}
    return [
        SyncRoom(room_id=names[stay.room], room=rows[stay.room], stay=stay, fresh=_is_fresh(window, stay))
        for stay in wanted
    ]


def _is_fresh(window: Window, stay: Membership) -> bool:
    return window.since is None or window.full_state or stay.stay_since > window.since


def _was_in(room: SyncRoom, stays: Sequence[tuple[Position, str]]) -> bool:
    """Whether the reader of a room that is new to the client was in it before."""
    return any(since < room.stay.stay_since and kind == "join" for since, kind in stays)


def _is_whole(room: SyncRoom) -> bool:
    """Whether the timeline begins with the room."""
    return any(shown.event.key == CREATE for shown in room.timeline if shown.event.is_state)


def fill(tx: Transaction, window: Window, upto: Position, seen: Sequence[Seen]) -> None:
    """Timelines and states of several rooms up to a position, read together."""
    found = timelines(tx, window, upto, seen)
    for (room, _), one in zip(seen, found, strict=True):
        room.limited, room.prev_batch = one.limited, one.prev_batch
    state_events = states(tx, window, upto, [(room, one.entries) for (room, _), one in zip(seen, found, strict=True)])
    shown = {one.entry.event: one for one in show(tx, [e for one in found for e in one.entries], window.reader)}
    shown_state = {one.entry.event: one for one in show_events(tx, set().union(*state_events), window.reader)}
    for (room, _), one, state in zip(seen, found, state_events, strict=True):
        room.timeline = [shown[entry.event] for entry in one.entries]
        ordered = sorted((shown_state[event] for event in state), key=_place)
        room.state = [event for event in ordered if passes(window.filter.room.state, event)]


def _place(shown: Shown) -> tuple[int, int, int]:
    """What is in no timeline, because another server has told the state, comes first."""
    entry = shown.entry
    return entry.position or 0, entry.back or 0, entry.event
