"""Compare-and-append: the one short transaction in which a room gets new events.

It fails with RoomMoved when the room's current state is not the one that the events were checked against; otherwise the
events, the timeline, the state, memberships, counts and transaction ids are written together, or nothing is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import events, interning, membership, room_state, rooms, timeline, transactions, typing
from oriz_matrix.storage.caches import StateAt
from oriz_matrix.storage.rooms import Extremity, Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EVERYBODY, EventNid, Position, RoomNid, StateKeyNid, UserNid


class NewEvent(NamedTuple):
    """An authorized event that is to become the newest of its room.

    notifies: it counts as unread by the default rules; mentions: local users whom it highlights, mentions_all: it
    highlights every member; redacts: the event of this room that it redacts; transaction: what its sender's device
    called it; invite_state: the stripped state that goes with an invite, as JSON.
    """

    event: Event
    notifies: bool = False
    mentions: Sequence[UserId] = ()
    mentions_all: bool = False
    redacts: EventNid | None = None
    transaction: transactions.TransactionId | None = None
    invite_state: bytes | None = None


class Appended(NamedTuple):
    """Where a new event stands."""

    event: EventNid
    position: Position


def append(tx: Transaction, room_nid: RoomNid, seen: StateAt, new: Sequence[NewEvent]) -> list[Appended]:
    """Appends events to a room whose current state is still `seen`. Raises RoomMoved, or Duplicate."""
    room = rooms.hold(tx, room_nid, seen)
    senders = [interning.user(tx, item.event.sender) for item in new]
    keys = [interning.state_key(tx, item.event.key) if item.event.is_state else None for item in new]
    targets = [_member(tx, item.event) for item in new]
    mentioned = [[interning.user(tx, user) for user in item.mentions] for item in new]
    nids = [events.add(tx, room_nid, item.event) for item in new]
    appended = []
    for i, position in enumerate(tx.positions(len(new))):
        room = _one(tx, room, new[i], _Numbers(nids[i], position, senders[i], keys[i], targets[i], mentioned[i]))
        appended.append(Appended(nids[i], position))
    rooms.save(tx, room)
    return appended


class _Numbers(NamedTuple):
    """The numbers behind an event's names."""

    event: EventNid
    position: Position
    sender: UserNid
    state_key: StateKeyNid | None
    member: UserNid | None
    mentioned: Sequence[UserNid]


def _member(tx: Transaction, event: Event) -> UserNid | None:
    if event.type == "m.room.member" and event.state_key is not None:
        return interning.user(tx, UserId(event.state_key))
    return None


def _one(tx: Transaction, room: Room, new: NewEvent, numbers: _Numbers) -> Room:
    """Writes one event; the room row as it is after it."""
    event, before = new.event, room.current
    room = room._replace(
        latest=numbers.position, unread=room.unread + new.notifies, extremities=_ends(room.extremities, event)
    )
    replaces = None
    if numbers.state_key is not None:
        replaces = room_state.put(tx, before.branch, numbers.position, numbers.state_key, numbers.event)
        events.link_auth(tx, numbers.event, event.auth_event_ids)
        room = room._replace(current=StateAt(before.branch, numbers.position))
    entry = timeline.Entry(
        event=numbers.event,
        room=room.nid,
        sender=numbers.sender,
        state_key=numbers.state_key,
        replaces=replaces,
        position=numbers.position,
        back=0,
        branch=before.branch,
        state_at=before.position,
        redacted_by=None,
        unread=room.unread,
    )
    timeline.add(tx, entry)
    if new.transaction is not None:
        transactions.add(tx, new.transaction, numbers.event)
    if new.redacts is not None:
        timeline.redact(tx, room.nid, new.redacts, numbers.event)
    _mentions(tx, room.nid, new, numbers)
    return room if numbers.member is None else _member_change(tx, room, numbers.member, new, numbers)


def _ends(extremities: list[Extremity], event: Event) -> list[Extremity]:
    """The ends of the event graph once the event was added."""
    behind = set(event.prev_event_ids)
    return [end for end in extremities if end[0] not in behind] + [(event.event_id, event.depth)]


def _member_change(tx: Transaction, room: Room, member: UserNid, new: NewEvent, numbers: _Numbers) -> Room:
    """What a member event changes beside the state; the room row with the new counts."""
    after = str(new.event.content.get("membership"))
    before = membership.change(tx, member, room.nid, after, numbers.event, numbers.position)
    if before == "join" and after != "join":
        typing.stop(tx, room.nid, member, numbers.position)
    if new.invite_state is not None:
        sql = "INSERT INTO invite_states (event, state) VALUES (:event, :state)"
        tx.run(sql, event=numbers.event, state=new.invite_state)
    return room._replace(
        joined=room.joined + (after == "join") - (before == "join"),
        invited=room.invited + (after == "invite") - (before == "invite"),
    )


def _mentions(tx: Transaction, room: RoomNid, new: NewEvent, numbers: _Numbers) -> None:
    sql = """
        INSERT INTO mentions (user_nid, room, position, event, counted)
        VALUES (:user, :room, :position, :event, :counted)
    """
    tx.many(
        sql,
        [
            {
                "user": user,
                "room": room,
                "position": numbers.position,
                "event": numbers.event,
                "counted": new.notifies,
            }
            for user in ([EVERYBODY, *numbers.mentioned] if new.mentions_all else numbers.mentioned)
        ],
    )
