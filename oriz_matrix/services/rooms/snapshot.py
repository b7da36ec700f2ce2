"""A room as an event is prepared against it, read in one go."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.authorization import auth_keys
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.policy import POLICY, PolicyServer
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.services.rooms import access, policy, redact
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.services.rooms.receivers import Receiver
from oriz_matrix.storage import rooms, transactions
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid


class Snapshot(NamedTuple):
    """A room as an event is prepared against it: `state` authorizes it, `redacts` is the event that it redacts.

    `keys`: which keys of the state were looked at; those that are not in `state` the room does not have. `receivers`:
    members whose own push rules are asked. `policy`: the policy server in use.
    """

    name: RoomName
    room: Room
    state: Mapping[StateKey, Event]
    keys: Sequence[StateKey]
    redacts: EventNid | None = None
    receivers: Sequence[Receiver] = ()
    policy: PolicyServer | None = None


def needed_keys(draft: Draft, version: RoomVersion) -> list[StateKey]:
    """What of the current state is needed to prepare an event."""
    keys = [CREATE, POWER_LEVELS, POLICY, *auth_keys(draft.type, draft.sender, draft.state_key, draft.content, version)]
    if draft.state_key is not None:
        keys.append((draft.type, draft.state_key))
    return list(dict.fromkeys(keys))


def snapshot(tx: Transaction, room_id: RoomId, draft: Draft) -> Snapshot | EventId:
    """Everything that is needed to prepare one event, or the id of the one that the transaction id made before."""
    if draft.transaction is not None and (earlier := transactions.find(tx, draft.transaction)) is not None:
        return earlier
    name = rooms.find(tx, room_id)
    if name is None:
        raise Forbidden("You are not in this room, or it does not exist")
    room = rooms.get(tx, [name.nid])[name.nid]
    keys = needed_keys(draft, name.version)
    state = access.current(tx, room, keys)
    redacts = None if draft.redacts is None else redact.target(tx, room, state, draft.redacts, draft.sender)
    return Snapshot(name, room, state, keys, redacts, policy=policy.in_use(tx, room, state))


def unchanged(state: Mapping[StateKey, Event], draft: Draft) -> Event | None:
    """The present state event that says the same already, by the same user."""
    if draft.state_key is None:
        return None
    present = state.get((draft.type, draft.state_key))
    if present is None or present.sender != draft.sender or encode(present.content) != encode(draft.content):
        return None  # not compared as dictionaries: to Python true is 1
    return present
