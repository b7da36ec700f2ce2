"""The rooms of a sync answer: which stand in which section, and what each has of timeline and state.

Everything is read as of the settled position `window.upto`: memberships and states are intervals, so a change that is
committed between two reads cannot move a room out of all sections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.filters import RoomEventFilter
from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.tokens import PageToken, before
from oriz_matrix.protocol.visibility import Sight
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.client_events import Shown, show, show_events
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import events, interning, membership, room_state, rooms, timeline
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.timeline import Entry, Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, Position, RoomNid, StateKeyNid

MEMBER = "m.room.member"
CHUNK = 100


class Timeline(NamedTuple):
    """The newest events of a stretch, oldest first; `limited` when the stretch has older ones."""

    entries: list[Entry]
    limited: bool
    prev_batch: PageToken


@dataclass(slots=True, kw_only=True)
class SyncRoom:
    """One room of the answer. `fresh`: the client knows nothing of it; `stay`: the membership that puts it here."""

    room_id: RoomId
    room: Room
    stay: Membership
    fresh: bool
    timeline: list[Shown] = field(default_factory=list)
    state: list[Shown] = field(default_factory=list)
    limited: bool = False
    prev_batch: PageToken = field(default=PageToken(0))
    members_changed: bool = False


def joined(tx: Transaction, window: Window, stays: Sequence[Membership]) -> list[SyncRoom]:
    """The rooms that the reader is in, of which something may be new, with timeline and state."""
    found = candidates(tx, window, [stay for stay in stays if stay.membership == "join"])
    fresh = {room.room.nid: room for room in found if room.fresh}
    sights = _sights(tx, window, fresh)
    for room in found:
        fill(tx, window, room, window.upto, sights.get(room.room.nid))
    return found


def unchanged_reader(tx: Transaction, window: Window, nid: RoomNid) -> SyncRoom:
    """One room as everybody sees it who was in it all the time and sent nothing: timeline and state of the window."""
    room = SyncRoom(
        room_id=rooms.name(tx, nid).room_id,
        room=rooms.get(tx, [nid])[nid],
        stay=Membership(window.reader.user, nid, Position(0), "join", EventNid(0), Position(0)),
        fresh=False,
    )
    fill(tx, window, room, window.upto, None)
    return room


def invited(tx: Transaction, window: Window, stays: Sequence[Membership], kind: str) -> dict[RoomId, bytes]:
    """The rooms that the reader was invited to (or knocked at) in the window, each with its stripped state as JSON."""
    wanted = [stay for stay in stays if stay.membership == kind and stay.since > window.after]
    names = {stay.event: rooms.name(tx, stay.room).room_id for stay in wanted}
    allowed = [event for event, room_id in names.items() if window.filter.room.allows_room(room_id)]
    states = events.invite_states(tx, allowed)
    return {names[event]: states.get(event, b"[]") for event in allowed}


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
            all_of_them or _is_fresh(window, stay) or window.touched.rooms is None or stay.room in window.touched.rooms
        )
    ]
    rows = rooms.get(tx, [stay.room for stay in wanted]) if wanted else {}
    return [
        SyncRoom(room_id=names[stay.room], room=rows[stay.room], stay=stay, fresh=_is_fresh(window, stay))
        for stay in wanted
    ]


def _is_fresh(window: Window, stay: Membership) -> bool:
    return window.since is None or window.full_state or stay.stay_since > window.since


def _sights(tx: Transaction, window: Window, found: Mapping[RoomNid, SyncRoom]) -> dict[RoomNid, Sight]:
    if not found:
        return {}
    stays = membership.of_user_in_rooms(tx, window.reader.user, list(found))
    return access.sights(tx, {nid: room.room.current.branch for nid, room in found.items()}, stays)


def fill(tx: Transaction, window: Window, room: SyncRoom, upto: Position, sight: Sight | None) -> None:
    """Timeline and state up to a position. Without a sight the reader sees everything of the window."""
    new_to_client = room.fresh and not window.full_state
    after = Place(-1) if new_to_client or window.since is None else Place(window.since)
    if room.room.latest > after.position:
        found = _timeline(tx, window, room, after, upto, sight)
    else:
        found = Timeline([], limited=False, prev_batch=PageToken(upto))
    room.limited, room.prev_batch = found.limited, found.prev_batch
    state = _state(tx, window, room, found.entries, upto)
    room.timeline = show(tx, found.entries, window.reader)
    if window.filter.room.state.lazy_load_members:
        state = _lazy(tx, window, room, state, upto)
    shown = show_events(tx, set(state.values()), window.reader)
    wanted = window.filter.room.state
    room.state = [s for s in shown if passes(wanted, s)]


def _timeline(
    tx: Transaction, window: Window, room: SyncRoom, after: Place, upto: Position, sight: Sight | None
) -> Timeline:
    """The newest events of (after, upto] that the filter lets through and the reader may see."""
    wanted = window.filter.room.timeline
    limit = wanted.count()
    plain = sight is None and wanted.allows_all
    place, found = Place(upto), list[Entry]()
    while True:
        size = limit + 1 if plain else max(limit + 1, CHUNK)
        chunk = timeline.before(tx, room.room.nid, place, after, size)
        bodies = {} if plain else events.load(tx, [entry.event for entry in chunk])
        for entry in chunk:
            if sight is not None and not sight.sees(entry.position):
                continue
            if not plain and not _passes_event(wanted, room.room_id, bodies[entry.event]):
                continue
            if len(found) == limit:
                first = found[-1] if found else None
                start = before(first.position, first.back) if first else PageToken(entry.position, entry.back)
                return Timeline(found[::-1], limited=True, prev_batch=start)
            found.append(entry)
        if len(chunk) < size:
            start = before(found[-1].position, found[-1].back) if found else PageToken(upto)
            return Timeline(found[::-1], limited=False, prev_batch=start)
        place = Place(*_token(before(chunk[-1].position, chunk[-1].back)))


def _token(token: PageToken) -> tuple[int, int]:
    return token.position, token.back


def _state(
    tx: Transaction, window: Window, room: SyncRoom, entries: Sequence[Entry], upto: Position
) -> dict[StateKeyNid, EventNid]:
    """What the client needs before the timeline: the whole state there, or what changed since it last asked.

    State that changed without an event in this timeline (by a resolution, or one that the filter drops) goes with it.
    """
    trunk = room.room.current.branch
    start = Position(entries[0].position - 1) if entries else upto
    if room.fresh:
        found = dict(room_state.at(tx, StateAt(trunk, start)))
    else:
        changed = room_state.changes(tx, trunk, window.after, start) if start > window.after else {}
        found = {key: event for key, event in changed.items() if event is not None}
    in_timeline = {entry.event for entry in entries}
    later = room_state.changes(tx, trunk, max(start, window.after), upto) if entries else {}
    for key, event in later.items():
        if event is not None and event not in in_timeline:
            found[key] = event
    room.members_changed = room.fresh or _has_members(tx, {*found, *later})
    return found


def _has_members(tx: Transaction, keys: set[StateKeyNid]) -> bool:
    return any(kind == MEMBER for kind, _ in interning.state_keys(tx, keys).values())


def _lazy(
    tx: Transaction, window: Window, room: SyncRoom, state: Mapping[StateKeyNid, EventNid], upto: Position
) -> dict[StateKeyNid, EventNid]:
    """The state with no more members than the client needs: who sent the timeline's events, and the reader.

    They are sent again with every answer, so that an answer which never arrived takes nothing away (traps.md 50).
    """
    names = interning.state_keys(tx, set(state))
    senders = {shown.event.sender for shown in room.timeline}
    needed = senders | set(interning.user_ids(tx, [window.reader.user]).values()) if room.fresh else senders
    kept = {key: event for key, event in state.items() if names[key][0] != MEMBER or names[key][1] in needed}
    missing = [(MEMBER, user) for user in needed if (MEMBER, user) not in {names[key] for key in kept}]
    if missing:
        numbers = interning.find_state_keys(tx, missing)
        start = Position(room.timeline[0].entry.position - 1) if room.timeline else upto
        in_timeline = {shown.entry.event for shown in room.timeline}
        found = room_state.get(tx, StateAt(room.room.current.branch, start), list(numbers.values()))
        kept |= {key: event for key, event in found.items() if event not in in_timeline}
    return kept


def passes(wanted: RoomEventFilter, shown: Shown) -> bool:
    event = shown.event
    return wanted.allows_event(event.room_id, event.type, event.sender, event.content)


def _passes_event(wanted: RoomEventFilter, room_id: RoomId, event: Event) -> bool:
    return wanted.allows_event(room_id, event.type, event.sender, event.content)
