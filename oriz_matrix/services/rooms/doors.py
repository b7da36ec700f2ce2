"""Which other servers may ask about a room: the doors of every request between servers that names one.

Source: server-server API, "Server Access Control Lists (ACLs)".
"""

from oriz_matrix.protocol.errors import Forbidden, NotFound
from oriz_matrix.protocol.identifiers import RoomId, ServerName
from oriz_matrix.storage import acls, rooms, servers
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction


def known(tx: Transaction, room_id: RoomId) -> Room:
    """The room of an id. Raises NotFound for one that this server does not know."""
    name = rooms.find(tx, room_id)
    if name is None:
        raise NotFound("This server does not know the room")
    return rooms.get(tx, [name.nid])[name.nid]


def require_allowed(tx: Transaction, room: Room, origin: ServerName) -> None:
    """Raises Forbidden where the room's access control list keeps a server out."""
    if not acls.of_room(tx, room).allows(origin):
        raise Forbidden("The room's access control list does not let your server in")


def require_in_room(tx: Transaction, room: Room, origin: ServerName) -> None:
    """Raises Forbidden for a server none of whose users is joined to the room."""
    if not servers.is_in(tx, room.nid, origin):
        raise Forbidden("Your server is not in this room")


def entered(tx: Transaction, room_id: RoomId, origin: ServerName) -> Room:
    """A room that a server is in and may take part in. Raises NotFound, or Forbidden."""
    room = known(tx, room_id)
    require_allowed(tx, room, origin)
    require_in_room(tx, room, origin)
    return room
