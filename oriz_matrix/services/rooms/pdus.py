"""Many events of a room as other servers take them: their stored bytes, in slices, so that no answer is ever whole in
memory and none keeps a storage thread for long."""

from collections.abc import AsyncIterator, Mapping, Sequence

from oriz_matrix.storage import events
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid

SLICE = 500
"""Events that are read in one go."""


async def in_object(db: Database, lists: Mapping[str, Sequence[EventNid]]) -> AsyncIterator[bytes]:
    """A JSON object with events under each name, piece by piece. Those that were redacted here go out so."""
    start = b"{"
    for name, nids in lists.items():
        yield b'%b"%b":[' % (start, name.encode())
        start, between = b"],", b""
        for first in range(0, len(nids), SLICE):
            if piece := await db.read(_joined, nids[first : first + SLICE]):
                yield between + piece
                between = b","
    yield b"]}"


def _joined(tx: Transaction, nids: Sequence[EventNid]) -> bytes:
    found = events.bodies(tx, nids)
    redacted = events.effective(tx, events.redactions(tx, nids))
    found.update((nid, event.encoded) for nid, event in redacted.items())
    return b",".join(found.values())
