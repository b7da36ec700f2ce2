"""The numbers that stand for names inside the database, distinct for mypy and plain integers for the interpreter."""

from typing import NewType

Position = NewType("Position", int)
"""A place in the one sequence of facts of the whole server; never comes twice."""

UserNid = NewType("UserNid", int)
RoomNid = NewType("RoomNid", int)
EventNid = NewType("EventNid", int)
StateKeyNid = NewType("StateKeyNid", int)
DeviceNid = NewType("DeviceNid", int)
BranchNid = NewType("BranchNid", int)

FOREVER = Position(2**63 - 1)
"""The end of an interval that is still open."""

EVERYBODY = UserNid(0)
"""Stands for all members of a room, in mentions."""
