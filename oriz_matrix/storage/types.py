"""The numbers that stand for names inside the database, distinct for mypy and plain integers for the interpreter."""

from typing import NamedTuple, NewType

Position = NewType("Position", int)
"""A place in the one sequence of facts of the whole server; never comes twice."""

UserNid = NewType("UserNid", int)
RoomNid = NewType("RoomNid", int)
EventNid = NewType("EventNid", int)
StateKeyNid = NewType("StateKeyNid", int)
DeviceNid = NewType("DeviceNid", int)
BranchNid = NewType("BranchNid", int)
ThreadNid = NewType("ThreadNid", int)

FOREVER = Position(2**63 - 1)
"""The end of an interval that is still open."""

EVERYBODY = UserNid(0)
"""Stands for all members of a room, in mentions."""


class TableSize(NamedTuple):
    """What a table takes: rows, bytes with its indexes, and bytes of the indexes alone."""

    table: str
    rows: int
    bytes: int
    index_bytes: int


class Sizes(NamedTuple):
    """What a database takes, in bytes; `estimated` where its tables were weighed instead of measured.

    total: all of it. free: what deleted rows have left behind, to be used again, where the engine tells. log: the
    write-ahead log, where it is this database's own.
    """

    tables: list[TableSize]
    total: int
    free: int
    log: int
    estimated: bool
