"""What is to be sent to other servers: events in the order of their numbers, and messages that are no events (EDUs).

A destination's rows are deleted when it has taken them. Between two of them the order is that of writing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid, RoomNid


class Edu(NamedTuple):
    """A message to another server that is no event.

    name: a newer one of the same name replaces an older one that was not sent; where all must arrive each has a name of
    its own. content: as the specification's EDU of this type has it.
    """

    type: str
    name: str
    content: dict[str, Any]


def add_event(
    tx: Transaction, room: RoomNid, event: EventNid, but: ServerName | None = None, also: ServerName | None = None
) -> None:
    """Sends an event to all other servers in a room, but for one, and to one more, of whose user it tells."""
    sql = """
        INSERT INTO outbox (destination, event)
        SELECT server, CAST(:event AS BIGINT) FROM room_servers WHERE room = :room AND server <> :but
        ON CONFLICT DO NOTHING
    """
    tx.run(sql, room=room, event=event, but=but or "")
    if also is not None and also != but:
        one = "INSERT INTO outbox (destination, event) VALUES (:also, :event) ON CONFLICT DO NOTHING"
        tx.run(one, also=also, event=event)


def add_edus(tx: Transaction, servers: Iterable[ServerName], edus: Sequence[Edu]) -> None:
    """Sends messages to servers by name; `services.outgoing.Outgoing.servers` afterwards lets them go at once."""
    bodies = [(edu.name, encode({"edu_type": edu.type, "content": edu.content})) for edu in edus]
    rows = [{"server": server, "name": name, "body": body} for server in servers for name, body in bodies]
    # Not overwritten in place: the older one may be on its way, and is deleted by its number when it has arrived.
    tx.many("DELETE FROM outbox_edus WHERE destination = :server AND name = :name AND :body IS NOT NULL", rows)
    tx.many("INSERT INTO outbox_edus (destination, name, body) VALUES (:server, :name, :body)", rows)
