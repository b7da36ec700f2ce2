"""The rooms that users of this server are just entering through other servers."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from oriz_matrix.protocol.identifiers import RoomId


class Entering:
    """The rooms that this process is about to enter: what others send of them is kept until then."""

    def __init__(self) -> None:
        self._rooms: defaultdict[RoomId, int] = defaultdict(int)
        self._turns: WeakValueDictionary[RoomId, asyncio.Lock] = WeakValueDictionary()

    def __contains__(self, room_id: object) -> bool:
        return room_id in self._rooms

    def turn(self, room_id: RoomId) -> asyncio.Lock:
        """Held by who brings the room's state here: the next one finds it."""
        return self._turns.setdefault(room_id, asyncio.Lock())

    @contextmanager
    def room(self, room_id: RoomId) -> Iterator[None]:
        """While a room is being entered."""
        self._rooms[room_id] += 1
        try:
            yield
        finally:
            self._rooms[room_id] -= 1
            if not self._rooms[room_id]:
                del self._rooms[room_id]
