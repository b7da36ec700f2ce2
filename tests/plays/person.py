"""Somebody in a play: a `User` who remembers all that their syncs have brought, as a client does."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.nodes.node import NodeDoor
from tests.support.people import Json, Refused, RoomUpdate, Synced, User, texts

PATIENCE_S = 20.0
POLL_MS = 2_000
EVERYTHING = json.dumps({"presence": {"limit": 0}, "room": {"timeline": {"limit": 1000}}})


@contextmanager
def turned_away() -> Iterator[None]:
    """Expects a refusal; servers give several codes for it."""
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.status == 403, caught.value


class RoomSeen:
    """What somebody has seen of a room so far; `section` is where it stands now."""

    def __init__(self) -> None:
        self.section = ""
        self.timeline: list[Json] = []
        self.state: dict[tuple[str, str], Json] = {}
        self.shown: list[Json] = []  # the stripped state of an invite or a knock
        self.typing: list[str] = []
        self.receipts: set[tuple[str, str]] = set()  # (event, user)

    def add(self, section: str, update: RoomUpdate) -> None:
        """What one more answer says."""
        self.section = section
        stripped = update.body.get("invite_state") or update.body.get("knock_state")
        self.shown = stripped["events"] if stripped else self.shown
        if update.limited:
            self.timeline.clear()
        self.timeline += update.timeline
        for event in [*update.state, *update.timeline]:
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event
        self.typing = self.typing if update.typing is None else update.typing
        self.receipts |= {(event_id, user) for event_id, _, user, _ in update.receipts}

    @property
    def texts(self) -> list[str]:
        """What was said."""
        return texts(self.timeline)

    def content(self, kind: str, state_key: str = "") -> Json:
        """The content of a piece of state; empty where there is none."""
        found: Json = self.state.get((kind, state_key), {}).get("content", {})
        return found

    def membership(self, user: User | str) -> str | None:
        """What somebody is in this room."""
        user_id = user if isinstance(user, str) else user.id
        found: str | None = self.content("m.room.member", user_id).get("membership")
        return found


class Person(User):
    """A user of a node. to_device: what their device was sent. changed_devices: whose devices have changed."""

    def __init__(self, door: NodeDoor, credentials: Mapping[str, Any]) -> None:
        super().__init__(door, credentials)
        self.door = door
        self.node = door.node
        self._rooms: dict[str, RoomSeen] = {}
        self.to_device: list[Json] = []
        self.changed_devices: set[str] = set()

    def __str__(self) -> str:
        return self.id

    @property
    def at(self) -> str:
        """The name of the person's server."""
        return self.node.name

    def room(self, room_id: str) -> RoomSeen:
        """What they have seen of a room."""
        return self._rooms.setdefault(room_id, RoomSeen())

    async def sync(self, since: str | None = None, **query: Any) -> Synced:
        """As any user's, and remembered."""
        synced = await super().sync(since, **{"filter": EVERYTHING, **query})
        for section, rooms in synced.body.get("rooms", {}).items():
            for room_id, body in rooms.items():
                self.room(room_id).add(section, RoomUpdate(body))
        self.to_device += synced.body.get("to_device", {}).get("events", [])
        self.changed_devices.update(synced.body.get("device_lists", {}).get("changed", []))
        return synced

    async def sees(self, condition: Callable[[], object], what: str) -> None:
        """Syncs until it is so."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await self.sync(timeout=POLL_MS)
        except TimeoutError:
            raise AssertionError(f"{self.id} never saw {what}\n{self.node.tail(15)}") from None

    async def hears(self, room_id: str, *said: str) -> None:
        """Syncs until all of this was said."""
        await self.sees(lambda: set(said) <= set(self.room(room_id).texts), f"{said} in {self.room(room_id).texts}")

    async def sees_member(self, room_id: str, user: User | str, membership: str) -> None:
        """Syncs until somebody is that."""
        await self.sees(lambda: self.room(room_id).membership(user) == membership, f"{user} {membership}")

    async def sees_state(self, room_id: str, kind: str, content: Json, state_key: str = "") -> None:
        """Syncs until a piece of state is that."""
        await self.sees(lambda: self.room(room_id).content(kind, state_key) == content, f"{kind} {content}")

    async def sees_section(self, room_id: str, section: str) -> None:
        """Syncs until the room is there: join, invite, knock or leave."""
        await self.sees(lambda: self.room(room_id).section == section, f"the room in {section}")
