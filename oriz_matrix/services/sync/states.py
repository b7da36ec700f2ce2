"""The state of rooms in a sync answer: what a client needs before the timeline of each, or what holds at its end.

That is the whole state there for a room that is new to the client, else what changed since it last asked. State that
changed without an event in the timeline (by a resolution, or by one that the filter drops) goes with it. With
`use_state_after` the client takes no state from the timeline, so that everything is here, as of the end.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import StateKey
from oriz_matrix.services.sync.summaries import summary
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import events, interning, room_state
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.room_state import State
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import BranchNid, EventNid, Position, StateKeyNid, UserNid

MEMBER = "m.room.member"
REDACTION = "m.room.redaction"
NAMES: Sequence[StateKey] = (("m.room.name", ""), ("m.room.canonical_alias", ""))


class _Room(NamedTuple):
    """A room, the events of its timeline, and up to where its state is given apart from them."""

    room: SyncRoom
    entries: Sequence[Entry]
    start: StateAt

    @property
    def told(self) -> set[EventNid]:
        """The events of the timeline from which the client takes state."""
        return {entry.event for entry in self.entries if entry.position > self.start.position}

    def changed_after(self, position: Position) -> bool:
        """Whether the room's current state is newer than that."""
        return self.room.room.current.position > position


def states(
    tx: Transaction, window: Window, upto: Position, rooms: Sequence[tuple[SyncRoom, Sequence[Entry]]]
) -> list[set[EventNid]]:
    """The state events of several rooms with their timelines; sets the rooms' summaries where these changed."""
    found = [_room(window, room, entries, upto) for room, entries in rooms]
    lazy = window.filter.room.state.lazy_load_members
    fresh = [one.start for one in found if one.room.fresh]
    whole = room_state.at_each(tx, fresh, MEMBER if lazy else "") if fresh else {}
    after = [known for one in found if one.told and one.changed_after((known := _known(window, one)).position)]
    later = room_state.changes_each(tx, after, upto) if after else {}
    chosen = [_one(tx, window, one, whole.get(one.start.branch), later.get(one.start.branch, {})) for one in found]
    _summarise(
        tx, window, upto, [one for one, state in zip(found, chosen, strict=True) if _has_new_summary(tx, one, state)]
    )
    members = _members(tx, found, window.reader.user) if lazy else {}
    return [
        set(state.values()) | (members.get(one.start.branch, set()) - one.told)
        for one, state in zip(found, chosen, strict=True)
    ]


def _room(window: Window, room: SyncRoom, entries: Sequence[Entry], upto: Position) -> _Room:
    start = Position(entries[0].position - 1) if entries and not window.use_state_after else upto
    return _Room(room, entries, StateAt(room.room.current.branch, start))


def _known(window: Window, one: _Room) -> StateAt:
    """The state that the client has before the timeline: what is given here, or more if it was here before."""
    known = one.start.position if one.room.fresh else max(one.start.position, window.after)
    return StateAt(one.start.branch, known)


def _one(tx: Transaction, window: Window, one: _Room, whole: State | None, later: State) -> State:
    """The state of one room, without what lazily loaded members add; `whole` is it for a room new to the client."""
    trunk, start = one.start
    if whole is not None:
        found = whole
    elif start > window.after and one.changed_after(window.after):
        found = _present(room_state.changes(tx, trunk, window.after, start))
    else:
        found = {}
    return found | {key: event for key, event in later.items() if event not in one.told}


def _has_new_summary(tx: Transaction, one: _Room, state: State) -> bool:
    """Members came or went, or the room got or lost the name in whose place the heroes stand.

    That is also done by a redaction, which may be in a gap before the timeline.
    """
    if one.room.fresh or one.room.limited:
        return True
    keys = {*state, *(entry.state_key for entry in one.entries if entry.state_key is not None)}
    if any(key[0] == MEMBER or key in NAMES for key in interning.state_keys(tx, keys).values()):
        return True
    others = events.load(tx, [entry.event for entry in one.entries if entry.state_key is None])
    return any(event.type == REDACTION for event in others.values())


def _summarise(tx: Transaction, window: Window, upto: Position, rooms: Sequence[_Room]) -> None:
    """Sets the summaries of rooms; only those without a name need heroes."""
    if not rooms:
        return
    numbers = interning.find_state_keys(tx, NAMES)
    states = [StateAt(one.start.branch, upto) for one in rooms]
    found = room_state.keys_each(tx, states, list(numbers.values()))
    bodies = events.effective(tx, [event for state in found.values() for event in state.values()])
    for one in rooms:
        contents = [bodies[event].content for event in found[one.start.branch].values()]
        named = any(content.get("name") or content.get("alias") for content in contents)
        one.room.summary = summary(tx, window, one.room.room, named=named)


def _present(changed: Mapping[StateKeyNid, EventNid | None]) -> State:
    return {key: event for key, event in changed.items() if event is not None}


def _members(tx: Transaction, rooms: Sequence[_Room], reader: UserNid) -> dict[BranchNid, set[EventNid]]:
    """By room, the member events that a client with lazily loaded members needs: of who sent the timeline's events, of
    the heroes, and in a room that is new to the client its reader's.

    They are sent again with every answer, so that an answer which never arrived takes nothing away (traps.md 50).
    """
    names = interning.user_ids(tx, {reader, *(entry.sender for one in rooms for entry in one.entries)})
    wanted: dict[BranchNid, set[StateKey]] = {}
    for one in rooms:
        needed = {names[entry.sender] for entry in one.entries}
        if one.room.summary is not None:
            needed.update(one.room.summary.heroes or ())
        if one.room.fresh:
            needed.add(names[reader])
        wanted[one.start.branch] = {(MEMBER, name) for name in needed}
    numbers = interning.find_state_keys(tx, sorted(set().union(*wanted.values())))
    found = room_state.keys_each(tx, [one.start for one in rooms], list(numbers.values()))
    return {
        branch: {found[branch][numbers[key]] for key in keys if numbers.get(key) in found[branch]}
        for branch, keys in wanted.items()
    }
