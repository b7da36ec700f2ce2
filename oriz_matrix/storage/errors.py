"""What storage raises.

StorageError
├── RoomMoved            the room's current state is no longer the one that was seen
├── Duplicate            a row with this key is there already
├── KeyReused            a signing key's id stood for another key before
├── TooNew               the database was written by a newer Oriz
└── DatabaseUnavailable  the database cannot be reached or written (temporary)
"""


class StorageError(Exception):
    """Base of what storage raises on purpose."""


class RoomMoved(StorageError):
    """Compare-and-append lost the race: prepare again from the room as it is now."""


class Duplicate(StorageError):
    """A row with this key is there already."""


class KeyReused(StorageError):
    """An id of a signing key stood for another key before, and other servers remember that one."""


class TooNew(StorageError):
    """The database has schema steps that this version does not know."""


class DatabaseUnavailable(StorageError):
    """The database went away, its disk is full, or it is locked by somebody else; a later try may succeed."""
