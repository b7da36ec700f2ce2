"""Invites that another server has in hand: it may have signed one, and its user may come, before the event stands here.

So whoever is just being invited is waited for before they are told whether they may come in. This holds within one
process: another one that shares the database does not know of the invite yet, and refuses them.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from oriz_matrix.protocol.identifiers import RoomId, UserId

PATIENCE_S = 10.0
"""How long who comes is kept waiting; for a server that does not answer to the invite, it is in vain."""
MOST_WAITING = 3
"""How many requests for one user are kept waiting; further ones are answered by what stands in the room now."""


@dataclass(slots=True)
class _UnderWay:
    """The invites of one user to one room that are under way, and how many requests wait for them."""

    invites: set[asyncio.Event] = field(default_factory=set)
    waiting: int = 0


class Inviting:
    """The users whom this process is just inviting, by room. Used on the event loop only."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[RoomId, UserId], _UnderWay] = {}

    @contextmanager
    def of(self, room_id: RoomId, user_id: UserId) -> Iterator[None]:
        """From before an invite is given away until it stands in the room, or has failed."""
        over, key = asyncio.Event(), (room_id, user_id)
        under_way = self._under_way.setdefault(key, _UnderWay())
        under_way.invites.add(over)
        try:
            yield
        finally:
            over.set()
            under_way.invites.discard(over)
            if not under_way.invites:
                del self._under_way[key]

    async def settled(self, room_id: RoomId, user_id: UserId) -> None:
        """Waits until no invite of this user is under way, or for a while; at once where enough others wait."""
        under_way = self._under_way.get((room_id, user_id))
        if under_way is None or under_way.waiting >= MOST_WAITING:
            return
        under_way.waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    for over in tuple(under_way.invites):
                        await over.wait()
        finally:
            under_way.waiting -= 1
