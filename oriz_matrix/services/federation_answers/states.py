"""The state of a room before an event, and what authorizes events: whole, or by their ids.

They are no history that could be hidden: whoever is in the room needs them to judge its events. Source: server-server
API, "Retrieving events", "Retrieving a room's auth chain".
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple

from oriz_matrix.protocol.errors import NotFound
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName
from oriz_matrix.services.rooms import doors, pdus
from oriz_matrix.storage import authchains, events, graph, room_state, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.graph import Node
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid


class StateIds(NamedTuple):
    """The ids of the events of a state, and of those that authorize them."""

    pdu_ids: list[EventId]
    auth_chain_ids: list[EventId]


class _State(NamedTuple):
    """A state and what authorizes it, by number, the oldest first."""

    events: Sequence[EventNid]
    auth_chain: Sequence[EventNid]


class StateAnswers:
    """Answers for other servers. Everything raises NotFound for what is not known here, and Forbidden for servers that
    are not in the room or are kept out of it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def state(self, origin: ServerName, room_id: RoomId, event_id: EventId) -> AsyncIterator[bytes]:
        """The state before an event, in the form of /state, piece by piece."""
        state = await self._db.read(_state, origin, room_id, event_id)
        return pdus.in_object(self._db, {"auth_chain": state.auth_chain, "pdus": state.events})

    async def state_ids(self, origin: ServerName, room_id: RoomId, event_id: EventId) -> StateIds:
        """The same by ids."""
        return await self._db.read(_state_ids, origin, room_id, event_id)

    async def auth_chain(self, origin: ServerName, room_id: RoomId, event_id: EventId) -> AsyncIterator[bytes]:
        """What authorizes an event, in the form of /event_auth, piece by piece."""
        return pdus.in_object(self._db, {"auth_chain": await self._db.read(_auth_chain, origin, room_id, event_id)})


def _state(tx: Transaction, origin: ServerName, room_id: RoomId, event_id: EventId) -> _State:
    room = doors.entered(tx, room_id, origin)
    node = _node(tx, room.nid, event_id)
    if node.before is None or node.is_rejected:
        raise NotFound("This server does not know the state at the event")
    before = node.before
    numbers = sorted(room_state.at(tx, before).values())
    return _State(numbers, _complete(tx, room.nid, authchains.chain(tx, numbers)) if numbers else [])


def _state_ids(tx: Transaction, origin: ServerName, room_id: RoomId, event_id: EventId) -> StateIds:
    state = _state(tx, origin, room_id, event_id)
    ids = events.ids(tx, {*state.events, *state.auth_chain})
    return StateIds([ids[nid] for nid in state.events], [ids[nid] for nid in state.auth_chain])


def _auth_chain(tx: Transaction, origin: ServerName, room_id: RoomId, event_id: EventId) -> list[EventNid]:
    room = doors.entered(tx, room_id, origin)
    node = _node(tx, room.nid, event_id)
    # The edges are stored of state events only.
    cited = set(events.find(tx, events.load(tx, [node.event])[node.event].auth_event_ids).values())
    chain = _complete(tx, room.nid, cited | authchains.chain(tx, cited))
    return [nid for nid in chain if nid != node.event]


def _node(tx: Transaction, room: RoomNid, event_id: EventId) -> Node:
    for node in graph.nodes(tx, list(events.find(tx, [event_id]).values())):
        if node.room == room:
            return node
    raise NotFound("This server knows no such event in the room")


def _complete(tx: Transaction, room: RoomNid, chain: Collection[EventNid]) -> list[EventNid]:
    """An auth chain in order, with the create event also where the room's id stands for that in `auth_events`."""
    name = rooms.name(tx, room)
    if name.version.create_in_auth_events:
        return sorted(chain)
    return sorted({*chain, *events.find(tx, [EventId("$" + name.room_id[1:])]).values()})
