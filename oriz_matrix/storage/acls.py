"""The access control lists of rooms, made ready for many questions and kept in memory by the event that says them."""

from oriz_matrix.protocol.acl import ServerAcl
from oriz_matrix.storage import events, interning, room_state
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

SERVER_ACL = ("m.room.server_acl", "")


def of_room(tx: Transaction, room: Room) -> ServerAcl:
    """The list that a room has now. One that was redacted says nothing, and so lets nobody in."""
    numbers = interning.find_state_keys(tx, [SERVER_ACL])
    for nid in room_state.get(tx, room.current, list(numbers.values())).values():
        content = events.effective(tx, [nid])[nid].content
        if not content:
            return ServerAcl(content)
        return tx.caches.server_acls.get(nid) or _learn(tx, nid, ServerAcl(content))
    return ServerAcl(None)


def _learn(tx: Transaction, nid: EventNid, acl: ServerAcl) -> ServerAcl:
    tx.after_commit(lambda: tx.caches.server_acls.put(nid, acl))
    return acl
