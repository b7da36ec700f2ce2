"""Identifiers: user, room, event and device ids, aliases, server names. Source: appendices, "Identifier grammar".

The types are plain strings for the interpreter and distinct for mypy; the `parse_...` functions are the only way from
an outside string to one of them.
"""

from typing import NewType

UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
EventId = NewType("EventId", str)
RoomAlias = NewType("RoomAlias", str)
DeviceId = NewType("DeviceId", str)
ServerName = NewType("ServerName", str)
