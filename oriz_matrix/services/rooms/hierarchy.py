"""Walks through spaces, depth first and page by page, for users; and one level of a space for other servers.

A room that this server takes part in is shown as it is here; of others those are asked who lead there, several at
once. Loops and rooms with several parents are met once. A walk that has not come to its end is kept behind a token.
Source: client-server API, "Spaces"; server-server API, "Spaces".
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import Forbidden, InvalidParam, NotFound
from oriz_matrix.protocol.identifiers import RoomId, ServerName
from oriz_matrix.protocol.room_summaries import SPACE, Hierarchy, HierarchyRoom, RoomSummary, with_children
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.rooms import overviews
from oriz_matrix.services.rooms.summaries import MOST_ASKED, Summaries, leading
from oriz_matrix.storage import space_walks
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.space_walks import Walk
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

MOST_OF_A_PAGE = 50
DEEPEST = 50
MOST_ROOMS = 2_000
"""So many rooms one walk meets, and has before it."""
AT_ONCE = 8
SECONDS = 6.0
"""When so much time has passed, a page ends with what it has."""
KEPT_MS = 3600 * 1000
CHUNK = 50


class WalkRequest(NamedTuple):
    """What GET /hierarchy asks; `via` are servers that know the space where this one does not."""

    limit: int | None = None
    max_depth: int | None = None
    suggested_only: bool = False
    start: str | None = None
    via: Sequence[ServerName] = ()

    def check(self) -> None:
        """Raises InvalidParam for what cannot be asked."""
        if self.limit is not None and self.limit < 1:
            raise InvalidParam("limit: must be at least 1")
        if self.max_depth is not None and self.max_depth < 0:
            raise InvalidParam("max_depth: must not be negative")


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A room that is still to be met: how deep it lies, and the servers that lead there."""

    room_id: RoomId
    depth: int
    via: list[ServerName]


class State(msgspec.Struct):
    """A walk on its way: its next steps, the first of them first, and the rooms that it has met."""

    space: RoomId
    max_depth: int | None
    suggested_only: bool
    steps: list[Step]
    met: set[RoomId]

    def take(self, rooms: Mapping[RoomId, HierarchyRoom | None]) -> HierarchyRoom | None:
        """Takes the next step, to one of these rooms: its room, or None for one that is not seen or was met before."""
        step = self.steps.pop(0)
        room = None if step.room_id in self.met else rooms[step.room_id]
        self.met.add(step.room_id)
        if room is not None:
            self._follow(room, step)
        if len(self.met) >= MOST_ROOMS:
            self.steps = []
        return room

    def _follow(self, room: HierarchyRoom, step: Step) -> None:
        """Puts the children of a room before all other steps."""
        deepest = DEEPEST if self.max_depth is None else min(self.max_depth, DEEPEST)
        if room.room_type != SPACE or step.depth >= deepest:
            return
        links = overviews.in_order(room.children_state, suggested_only=self.suggested_only)
        children = [
            # Who could tell of the space can most likely tell of its children.
            Step(link.state_key, step.depth + 1, list(dict.fromkeys([*step.via[:1], *link.via]))[:MOST_ASKED])
            for link in links
            if link.state_key not in self.met
        ]
        self.steps = [*children, *self.steps][:MOST_ROOMS]


class Page(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a space tree, and a token where there is more."""

    rooms: list[HierarchyRoom]
    next_batch: str | None = None


class _Met(NamedTuple):
    """What was found out about rooms during one request: those that the requester may see, and None for the others.

    told: children that another server told of together with their space; None for those that it says nobody here sees.
    """

    rooms: dict[RoomId, HierarchyRoom | None]
    told: dict[RoomId, RoomSummary | None]

    def hear(self, told: Hierarchy) -> None:
        """Notes what a server tells of a space's children; what was heard before counts."""
        for child in told.children:
            self.told.setdefault(child.room_id, child)
        for room_id in told.inaccessible_children:
            self.told.setdefault(room_id, None)


class SpaceWalks:
    """Walks for users, levels for servers."""

    def __init__(self, db: Database, summaries: Summaries, ids: Ids, clock: Clock) -> None:
        self._db = db
        self._summaries = summaries
        self._ids = ids
        self._clock = clock

    async def page(self, requester: Requester, space: RoomId, request: WalkRequest) -> Page:
        """The next rooms of a walk. Raises Forbidden where the requester may not see the space, InvalidParam."""
        request.check()
        state = await self._state(requester.user, space, request)
        met = _Met({}, {})
        found: list[HierarchyRoom] = []
        until = self._clock.monotonic() + SECONDS
        while state.steps and len(found) < min(request.limit or MOST_OF_A_PAGE, MOST_OF_A_PAGE):
            step = state.steps[0]
            if step.room_id not in state.met and step.room_id not in met.rooms:
                try:
                    async with asyncio.timeout(max(until - self._clock.monotonic(), 0)):
                        await self._meet(requester.user, state, met)
                except TimeoutError:
                    break  # what was asked goes on, and its answer is there for the next page
            room = state.take(met.rooms)
            if room is not None:
                found.append(room)
            elif step.depth == 0:
                raise Forbidden("You may not see this space, or it does not exist")
        return Page(found, await self._keep(requester.user, state) if state.steps else None)

    async def level(self, origin: ServerName, space: RoomId, *, suggested_only: bool) -> Hierarchy:
        """A room and those of its children that users of another server could see. Raises NotFound."""
        room = await self._db.read(_level, origin, space, suggested_only=suggested_only)
        links = [link.state_key for link in room.children_state]
        children: list[RoomSummary] = []
        inaccessible: list[RoomId] = []
        for start in range(0, len(links), CHUNK):
            seen = await self._db.read(_children, origin, links[start : start + CHUNK])
            children += [summary for summary in seen.values() if summary is not None]
            inaccessible += [room_id for room_id, summary in seen.items() if summary is None]
        return Hierarchy(room, children, inaccessible)

    async def _state(self, user: UserNid, space: RoomId, request: WalkRequest) -> State:
        """A new walk, or one that goes on."""
        if request.start is None:
            via = [*request.via, *await self._db.read(leading, user, space)]
            steps = [Step(space, 0, via[:MOST_ASKED])]
            return State(space, request.max_depth, request.suggested_only, steps, set())
        body = await self._db.read(space_walks.find, request.start, user, self._clock.now_ms())
        state = None if body is None else msgspec.json.decode(body, type=State)
        if state is None or state.space != space:
            raise InvalidParam("from: unknown, or too old")
        if (state.max_depth, state.suggested_only) != (request.max_depth, request.suggested_only):
            raise InvalidParam("suggested_only and max_depth cannot change from one page to the next")
        return state

    async def _keep(self, user: UserNid, state: State) -> str:
        now = self._clock.now_ms()
        walk = Walk(self._ids.session_id(), user, msgspec.json.encode(state), now + KEPT_MS)
        await self._db.write(space_walks.keep, walk, now)
        return walk.token

    async def _meet(self, user: UserNid, state: State, met: _Met) -> None:
        """Finds out about the next rooms."""
        ahead = {step.room_id: step for step in reversed(state.steps[:AT_ONCE])}
        new = [step for room_id, step in ahead.items() if room_id not in state.met and room_id not in met.rooms]
        ids = [step.room_id for step in new]
        here = await self._db.read(_here, user, ids, suggested_only=state.suggested_only)
        met.rooms.update(here)
        await asyncio.gather(*(self._elsewhere(user, step, state, met) for step in new if step.room_id not in here))

    async def _elsewhere(self, user: UserNid, step: Step, state: State, met: _Met) -> None:
        """Finds out about a room that this server does not take part in."""
        room_id, summary = step.room_id, met.told.get(step.room_id)
        room: HierarchyRoom | None = None
        if summary is not None and summary.room_type != SPACE:
            room = with_children(summary, ())
        elif summary is not None or room_id not in met.told:
            told = await self._summaries.ask(step.via, room_id, suggested_only=state.suggested_only)
            if told is not None:
                links = overviews.in_order(told.room.children_state, suggested_only=state.suggested_only)
                room = with_children(told.room, links)
                met.hear(told)
        if room is not None and not await self._db.read(overviews.is_told_of, room, user):
            room = None
        met.rooms[room_id] = room


def _here(
    tx: Transaction, user: UserNid, room_ids: Sequence[RoomId], *, suggested_only: bool
) -> dict[RoomId, HierarchyRoom | None]:
    """The rooms that this server takes part in, None where the user may not see them."""
    return {
        room_id: overviews.in_hierarchy(tx, seen, suggested_only=suggested_only)
        if overviews.is_seen_by_user(tx, seen, user)
        else None
        for room_id, seen in overviews.known(tx, room_ids).items()
    }


def _level(tx: Transaction, origin: ServerName, room_id: RoomId, *, suggested_only: bool) -> HierarchyRoom:
    seen = overviews.overview(tx, room_id)
    if seen is None or not overviews.is_seen_by_server(tx, seen, origin):
        raise NotFound("There is no such room here, or you may not see it")
    return overviews.in_hierarchy(tx, seen, suggested_only=suggested_only)


def _children(tx: Transaction, origin: ServerName, room_ids: Sequence[RoomId]) -> dict[RoomId, RoomSummary | None]:
    return {
        room_id: seen.summary if overviews.is_seen_by_server(tx, seen, origin) else None
        for room_id, seen in overviews.known(tx, room_ids).items()
    }
