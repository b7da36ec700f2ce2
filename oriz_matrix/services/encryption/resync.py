"""The job that asks a server for lists of devices of which an update was missed, until it has them.

Server-server API, "Device Management"; traps.md 32: what could not be asked for is never forgotten.
"""

from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.encryption.remote import RemoteKeys
from oriz_matrix.services.jobs import Postponed
from oriz_matrix.storage import device_lists
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job

RESYNC = "device lists"
"""The queue; the key of a job is the name of the server."""

TOGETHER = 100
ROUNDS = 10
FIRST_PAUSE_MS = 60_000
LONGEST_PAUSE_MS = 3_600_000


class Resync:
    """Carries such jobs out."""

    def __init__(self, db: Database, changes: Changes, remote: RemoteKeys) -> None:
        self._db = db
        self._changes = changes
        self._remote = remote

    async def carry_out(self, job: Job) -> None:
        """Asks until nobody of the server is left. Raises Postponed where the server does not answer.

        The payload counts how often it did not.
        """
        server = ServerName(job.key)
        failures = int(job.payload or b"0")
        for _ in range(ROUNDS):
            users = await self._db.read(device_lists.stale, server, TOGETHER)
            if not users:
                return
            try:
                await self._remote.refresh(server, users)
            except RemoteFailed:
                pause_ms = min(FIRST_PAUSE_MS * 2**failures, LONGEST_PAUSE_MS)
                raise Postponed(pause_ms, b"%d" % (failures + 1)) from None
            self._changes.poke()
        raise Postponed(FIRST_PAUSE_MS)
