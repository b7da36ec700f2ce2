"""What is read when another server asks about a room's history."""

from oriz_matrix.protocol.identifiers import RoomId, domain_of
from oriz_matrix.storage import acls, authchains, events, graph, membership, room_state, rooms
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.timeline import Place
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position


def ask(dialect: Dialect, room_id: RoomId) -> None:
    """Reads a room's state, its auth chain, and a stretch of its events with what decides who sees them."""
    with dialect.session() as session, session.transaction():
        tx = Transaction(session, Caches())
        name = rooms.find(tx, room_id)
        assert name is not None
        room = rooms.get(tx, [name.nid])[name.nid]
        state = room_state.at(tx, room.current)
        events.bodies(tx, sorted({*state.values(), *authchains.chain(tx, state.values())}))
        events.redactions(tx, list(state.values()))
        acls.of_room(tx, room)
        nodes = graph.nodes_before(tx, room.nid, Place(room.latest), 20)
        graph.nodes(tx, [node.event for node in nodes])
        graph.fetched(tx, room.nid, next(iter(state)), [room.latest])
        graph.trunks(tx, room.nid)
        membership.stays_of_server(tx, room.nid, domain_of(room_id), Position(0), room.latest)
