"""Which policy server a room uses. Server-server API, "Determining if a Policy Server is enabled in a room"."""

from collections.abc import Mapping

from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.policy import POLICY, PolicyServer, policy_server
from oriz_matrix.services.rooms import access
from oriz_matrix.storage import servers
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction


def in_use(tx: Transaction, room: Room, state: Mapping[StateKey, Event]) -> PolicyServer | None:
    """The one that the room names and that has somebody in it; `state` is the current one, as far as it was read.

    This server is none, so a room that names it uses none.
    """
    if POLICY not in state:
        return None
    named = policy_server(access.current(tx, room, [POLICY]).get(POLICY))
    return named if named is not None and servers.is_in(tx, room.nid, named.name) else None
