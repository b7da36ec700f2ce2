"""The job after a join of a room that is shared with other servers: they hear of devices that they did not hear of.

Server-server API, "Device Management": an update is sent "when that user joins a room which contains servers which are
not already receiving updates for that user's device list"; and to a server that comes into a room, of who is there.
"""

from oriz_matrix.protocol.identifiers import ServerName, domain_of
from oriz_matrix.services.jobs import Postponed
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.storage import device_updates, interning, servers
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid

DELAY_MS = 30_000
"""Who comes into a room asks for keys themselves at once; to be told then makes other servers ask twice at the same
moment, and one make of them answer its client with an error."""
DUE = b"due"


class Newcomers:
    """Carries the jobs of `device_updates.newcomer` out, a little later."""

    def __init__(self, db: Database, outgoing: Outgoing, server_name: ServerName) -> None:
        self._db = db
        self._outgoing = outgoing
        self._server_name = server_name

    async def carry_out(self, job: Job) -> None:
        """Tells the servers of the room of a user of here, or the server of a user elsewhere of who is there. Raises
        Postponed the first time."""
        if job.payload != DUE:
            raise Postponed(DELAY_MS, DUE)
        room, user = map(int, job.key.split())
        told = await self._db.write(_tell, RoomNid(room), UserNid(user), self._server_name)
        self._outgoing.servers(told)


def _tell(tx: Transaction, room: RoomNid, user: UserNid, here: ServerName) -> list[ServerName]:
    [user_id] = interning.user_ids(tx, [user]).values()
    server = domain_of(user_id)
    if server == here:
        return device_updates.tell_of_newcomer(tx, room, user)
    if servers.came_with(tx, room, server, user):
        return device_updates.tell_new_server(tx, room, server)
    return []
