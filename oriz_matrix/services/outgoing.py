"""What wakes those who send to other servers: something for them was committed here."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.storage.types import RoomNid


class Woken(NamedTuple):
    """The rooms in which there is something for all other servers, and servers for which there is something."""

    rooms: set[RoomNid]
    servers: set[ServerName]


class Outgoing:
    """Told after each commit that wrote to the outbox. Used on the event loop only."""

    def __init__(self) -> None:
        self._woken = Woken(set(), set())
        self._event = asyncio.Event()

    def room(self, room: RoomNid) -> None:
        """There is an event for the other servers in this room."""
        self._woken.rooms.add(room)
        self._event.set()

    def servers(self, servers: Iterable[ServerName]) -> None:
        """There is something for these servers."""
        self._woken.servers.update(servers)
        self._event.set()

    async def wait(self) -> Woken:
        """Waits until there is something; it is given once."""
        await self._event.wait()
        self._event.clear()
        woken, self._woken = self._woken, Woken(set(), set())
        return woken
