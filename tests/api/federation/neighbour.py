"""Another server that asks ours, and events of its users, put into rooms by storage, whichever way they came."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from oriz_matrix.protocol.authorization import auth_keys
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.event_builder import EventBuilder
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, RoomId, ServerName, UserId
from oriz_matrix.protocol.request_signing import SignedRequest, authorization
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.services.rooms import access
from oriz_matrix.storage import append, arrivals, events, rooms
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.room_state import Fork
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EventNid
from tests.support.homeserver import Home
from tests.support.in_process import SERVER_NAME, Answer

V1 = "/_matrix/federation/v1"
KEY = SigningKey("theirs", b"t" * 32)


class Neighbour:
    """One other server. One whose keys are not served can have users, and is believed nothing."""

    def __init__(self, home: Home, name: ServerName) -> None:
        self.home = home
        self.name = name
        self.db = home.server.server.database

    def user(self, name: str) -> UserId:
        """Somebody there."""
        return UserId(f"@{name}:{self.name}")

    async def get(self, path: str, query: Sequence[tuple[str, object]] = ()) -> Answer:
        """A signed GET below /_matrix/federation/v1; `path` is encoded already."""
        return await self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """A signed request."""
        uri = V1 + path
        content = None if body is None else encode(body)
        said = SignedRequest(
            method=method, uri=uri, origin=self.name, destination=ServerName(SERVER_NAME), content=content
        )
        return await sent(self.home, method, uri, content, {"Authorization": authorization(said, KEY)})

    async def make(
        self,
        room_id: str,
        kind: str,
        sender: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        prev: Sequence[str] | None = None,
    ) -> Event:
        """An event upon the ends of the room's graph or others, authorized by the room's state."""

        def build(tx: Transaction) -> Event:
            room = _room(tx, room_id)
            version = rooms.name(tx, room.nid).version
            state = access.current(tx, room, auth_keys(kind, sender, state_key, content, version))
            before = [end for end, _ in room.extremities] if prev is None else [EventId(each) for each in prev]
            depths = [event.depth for event in events.load(tx, events.find(tx, before).values()).values()]
            return EventBuilder(
                version=version,
                room_id=RoomId(room_id),
                sender=UserId(sender),
                type=kind,
                content=content,
                prev_event_ids=before,
                auth_event_ids=[event.event_id for event in state.values()],
                depth=max(depths, default=0) + 1,
                origin_server_ts=time.time_ns() // 1_000_000,
                state_key=state_key,
            ).build(self.name, KEY)

        return await self.db.read(build)

    async def add(self, event: Event) -> str:
        """An event arrives and is good."""

        def write(tx: Transaction) -> str:
            room = _room(tx, event.room_id)
            append.append(tx, room.nid, room.current, [NewEvent(event, server=self.name, goes_out=False)])
            return event.event_id

        return await self.db.write(write)

    async def say(self, room_id: str, text: str, sender: str = "bob", prev: Sequence[str] | None = None) -> str:
        """Somebody there says something."""
        content = {"msgtype": "m.text", "body": text}
        return await self.add(await self.make(room_id, "m.room.message", self.user(sender), content, prev=prev))

    async def move(self, room_id: str, membership: str, name: str = "bob") -> str:
        """Somebody there joins, or leaves."""
        user = self.user(name)
        return await self.add(await self.make(room_id, "m.room.member", user, {"membership": membership}, user))

    async def set_aside(self, event: Event, *, rejected: str | None = None) -> str:
        """An event arrives and is rejected or soft-failed."""

        def write(tx: Transaction) -> str:
            room = _room(tx, event.room_id)
            arrivals.keep(tx, room.nid, [event], {})
            soft_failed = "not now" if rejected is None else None
            before = Fork(room.current, {})
            arrivals.branch_off(tx, room.nid, event, before, rejected=rejected, soft_failed=soft_failed)
            return event.event_id

        return await self.db.write(write)

    async def keep(self, event: Event) -> str:
        """An event comes to be known outside the timeline."""
        await self.db.write(lambda tx: arrivals.keep(tx, _room(tx, event.room_id).nid, [event], {}))
        return event.event_id

    async def fetch(self, before: str, *found: Event) -> None:
        """Events, the newest first, are fetched into the gap before another, without the states there."""

        def write(tx: Transaction) -> None:
            (end,) = events.find(tx, [EventId(before)]).values()
            for back, event in enumerate(found, 1):
                arrivals.keep(tx, _room(tx, event.room_id).nid, [event], {})
                (nid,) = events.find(tx, [event.event_id]).values()
                _place(tx, nid, end, -back)

        await self.db.write(write)


async def sent(home: Home, method: str, uri: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
    """A request as it is."""
    url = URL(f"http://{home.server.server.application.addresses[0]}{uri}", encoded=True)
    async with home.server.http.request(method, url, data=data, headers=headers) as response:
        return Answer(response.status, await response.json())


def segment(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")


def _room(tx: Transaction, room_id: str) -> Room:
    name = rooms.find(tx, RoomId(room_id))
    assert name is not None
    return rooms.get(tx, [name.nid])[name.nid]


def _place(tx: Transaction, event: EventNid, end: EventNid, back: int) -> None:
    sql = """
        UPDATE event_status SET back = :back, position = (SELECT position FROM event_status WHERE event = :end)
        WHERE event = :event
    """
    tx.run(sql, event=event, end=end, back=back)
