"""People on a homeserver: each method of `User` is one request, and insists on its success.

Where the homeserver runs is not their concern: they go through a `Door`. What a test expects to fail stands in
`with refused(403, "M_FORBIDDEN"):`. `User.sync` goes on where it stopped last, as a client does; `Synced` and
`RoomUpdate` are short words for the parts of its answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import pytest

from tests.support.in_process import Answer

Json = dict[str, Any]
PASSWORD = "a good password"
LONG_POLL_MS = 10_000


class Door(Protocol):
    """A homeserver as its clients meet it."""

    async def ask(self, method: str, path: str, body: Any = None, *, by: str | None = None) -> Answer:
        """Send one request; `path` stands below /_matrix/client; `body` is JSON; `by` is a token."""
        ...

    async def has_waiters(self) -> bool:
        """Whether a sync waits for news."""
        ...


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body}")
        self.status = answer.status
        self.errcode = answer.body.get("errcode")
        self.message = answer.body.get("error", "")


@contextmanager
def refused(status: int, errcode: str, naming: str = "") -> Iterator[None]:
    """Expects that the server refuses, with an error that names the field."""
    with pytest.raises(Refused) as caught:
        yield
    assert (caught.value.status, caught.value.errcode) == (status, errcode), caught.value
    assert naming in caught.value.message


class RoomUpdate:
    """One room of a sync answer; empty where the answer does not have the room."""

    def __init__(self, body: Json | None) -> None:
        self.body = body or {}
        self.present = body is not None
        timeline = self.body.get("timeline", {})
        self.timeline: list[Json] = timeline.get("events", [])
        self.limited: bool = timeline.get("limited", False)
        self.prev_batch: str = timeline.get("prev_batch", "")
        self.has_state_after = "state_after" in self.body
        self.state: list[Json] = self.body.get("state_after" if self.has_state_after else "state", {}).get("events", [])
        self.summary: Json = self.body.get("summary", {})

    @property
    def texts(self) -> list[str]:
        """What was said."""
        return texts(self.timeline)

    @property
    def types(self) -> list[str]:
        """The types of the timeline's events."""
        return [event["type"] for event in self.timeline]

    @property
    def state_types(self) -> set[str]:
        """The types of the state."""
        return {event["type"] for event in self.state}

    @property
    def members(self) -> dict[str, str]:
        """The memberships that stand in the state."""
        return {
            event["state_key"]: event["content"]["membership"]
            for event in self.state
            if event["type"] == "m.room.member"
        }

    def ephemeral(self, kind: str) -> list[Json]:
        """The contents of the ephemeral events of one type."""
        events = self.body.get("ephemeral", {}).get("events", [])
        return [event["content"] for event in events if event["type"] == kind]

    @property
    def typing(self) -> list[str] | None:
        """Who types, or None where nothing is said of that."""
        found = self.ephemeral("m.typing")
        return found[0]["user_ids"] if found else None

    @property
    def receipts(self) -> set[tuple[str, str, str, str | None]]:
        """All receipts as (event, kind, user, thread)."""
        return {
            (event_id, kind, user, receipt.get("thread_id"))
            for content in self.ephemeral("m.receipt")
            for event_id, kinds in content.items()
            for kind, users in kinds.items()
            for user, receipt in users.items()
        }

    @property
    def account_data(self) -> dict[str, Json]:
        """The room's account data by type."""
        return {event["type"]: event["content"] for event in self.body.get("account_data", {}).get("events", [])}

    @property
    def unread(self) -> tuple[int, int] | None:
        """(notifications, highlights), or None where nothing is said of them."""
        counts = self.body.get("unread_notifications")
        return None if counts is None else (counts["notification_count"], counts["highlight_count"])

    @property
    def unread_threads(self) -> dict[str, tuple[int, int]]:
        """The same by thread, of those that have something."""
        threads = self.body.get("unread_thread_notifications", {})
        return {root: (each["notification_count"], each["highlight_count"]) for root, each in threads.items()}


class Synced:
    """A sync answer."""

    def __init__(self, body: Json) -> None:
        self.body = body
        self.next_batch: str = body["next_batch"]

    def joined(self, room_id: str) -> RoomUpdate:
        """A room that the user is in."""
        return RoomUpdate(self._section("join").get(room_id))

    def left(self, room_id: str) -> RoomUpdate:
        """A room that the user is no longer in."""
        return RoomUpdate(self._section("leave").get(room_id))

    def invite(self, room_id: str) -> list[Json] | None:
        """The stripped state of an invite."""
        found = self._section("invite").get(room_id)
        return None if found is None else found["invite_state"]["events"]

    def knock(self, room_id: str) -> list[Json] | None:
        """The stripped state of a knock."""
        found = self._section("knock").get(room_id)
        return None if found is None else found["knock_state"]["events"]

    def sections(self, room_id: str) -> list[str]:
        """The sections in which a room stands."""
        return [name for name, rooms in self.body.get("rooms", {}).items() if room_id in rooms]

    @property
    def rooms(self) -> set[str]:
        """All rooms of the answer."""
        return {room_id for rooms in self.body.get("rooms", {}).values() for room_id in rooms}

    @property
    def account_data(self) -> dict[str, Json]:
        """The account's data by type."""
        return {event["type"]: event["content"] for event in self.body.get("account_data", {}).get("events", [])}

    def _section(self, name: str) -> Json:
        found: Json = self.body.get("rooms", {}).get(name, {})
        return found


class User:
    """One session of one user. `since` is where their sync stands."""

    def __init__(self, server: Door, credentials: Mapping[str, Any]) -> None:
        self.server = server
        self.id: str = credentials["user_id"]
        self.device_id: str = credentials["device_id"]
        self.token: str = credentials["access_token"]
        self.since: str | None = None
        self._txn_ids = (f"{self.device_id}-{number}" for number in count())

    async def request(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request below /_matrix/client; the JSON of its answer. Raises Refused."""
        wanted = {name.rstrip("_"): _texts(value) for name, value in query.items() if value is not None}
        target = f"{path}?{urlencode(wanted, doseq=True)}" if wanted else path
        answer = await self.server.ask(method, target, body, by=self.token)
        if answer.status != 200:
            raise Refused(answer)
        return answer.body

    async def create_room(self, **body: Any) -> str:
        """A new room; its id."""
        answer = await self.request("POST", "/v3/createRoom", body)
        return str(answer["room_id"])

    async def join(self, room: str, via: Sequence[str] = (), **body: Any) -> str:
        """Joins by id or alias, through one of the servers `via`."""
        answer = await self.request("POST", f"/v3/join/{segment(room)}", body, via=via or None)
        return str(answer["room_id"])

    async def leave(self, room_id: str, **body: Any) -> None:
        """Leaves, or turns an invite down."""
        await self.in_room(room_id, "POST", "leave", body)

    async def invite(self, room_id: str, user: "User", **body: Any) -> None:
        """Invites somebody."""
        await self.in_room(room_id, "POST", "invite", {"user_id": user.id, **body})

    async def knock(self, room: str, via: Sequence[str] = (), **body: Any) -> str:
        """Asks to be let in, by id or alias."""
        answer = await self.request("POST", f"/v3/knock/{segment(room)}", body, via=via or None)
        return str(answer["room_id"])

    async def moderate(self, room_id: str, act: str, user: "User", **body: Any) -> None:
        """Does to somebody what is called kick, ban or unban."""
        await self.in_room(room_id, "POST", act, {"user_id": user.id, **body})

    async def forget(self, room_id: str) -> None:
        """Forgets a room."""
        await self.in_room(room_id, "POST", "forget")

    async def upgrade(self, room_id: str, version: str, **body: Any) -> str:
        """Replaces a room; the new one's id."""
        answer = await self.in_room(room_id, "POST", "upgrade", {"new_version": version, **body})
        return str(answer["replacement_room"])

    async def set_member(self, room_id: str, user: "User", membership: str, **content: Any) -> str:
        """PUT of a member event: kick, ban, unban, knock and whatever else a membership can be."""
        return await self.set_state(room_id, "m.room.member", {"membership": membership, **content}, user.id)

    async def say(self, room_id: str, text: str, txn_id: str | None = None, *, more: Json | None = None) -> str:
        """Sends a text, with `more` in its content; the event's id."""
        content = {"msgtype": "m.text", "body": text, **(more or {})}
        return await self.send(room_id, "m.room.message", content, txn_id)

    async def send(self, room_id: str, kind: str, content: Json, txn_id: str | None = None) -> str:
        """Sends a message event; its id."""
        path = f"send/{segment(kind)}/{segment(txn_id or next(self._txn_ids))}"
        answer = await self.in_room(room_id, "PUT", path, content)
        return str(answer["event_id"])

    async def redact(self, room_id: str, event_id: str, txn_id: str | None = None, **content: Any) -> str:
        """Redacts an event; the redaction's id."""
        path = f"redact/{segment(event_id)}/{segment(txn_id or next(self._txn_ids))}"
        answer = await self.in_room(room_id, "PUT", path, content)
        return str(answer["event_id"])

    async def set_state(self, room_id: str, kind: str, content: Json, state_key: str = "") -> str:
        """Sets a piece of state; the event's id."""
        answer = await self.in_room(room_id, "PUT", f"state/{segment(kind)}/{segment(state_key)}", content)
        return str(answer["event_id"])

    async def state(self, room_id: str, kind: str, state_key: str = "", **query: Any) -> Json:
        """One piece of state: its content."""
        path = f"state/{segment(kind)}/{segment(state_key)}"
        content: Json = await self.in_room(room_id, "GET", path, **query)
        return content

    async def whole_state(self, room_id: str) -> dict[tuple[str, str], Json]:
        """All events of the state by their keys."""
        events = await self.in_room(room_id, "GET", "state")
        assert len(events) == len({(event["type"], event["state_key"]) for event in events})
        return {(event["type"], event["state_key"]): event for event in events}

    async def event(self, room_id: str, event_id: str) -> Json:
        """One event."""
        event: Json = await self.in_room(room_id, "GET", f"event/{segment(event_id)}")
        return event

    async def members(self, room_id: str, **query: Any) -> dict[str, str]:
        """The memberships by user."""
        answer = await self.in_room(room_id, "GET", "members", **query)
        return {event["state_key"]: event["content"]["membership"] for event in answer["chunk"]}

    async def messages(self, room_id: str, dir: str = "b", **query: Any) -> Json:  # noqa: A002 - the parameter's name
        """A page of history; `from` is called `from_` here."""
        page: Json = await self.in_room(room_id, "GET", "messages", dir=dir, **query)
        return page

    async def history(self, room_id: str, dir: str = "b", **query: Any) -> list[Json]:  # noqa: A002
        """All pages of history from somewhere on."""
        found: list[Json] = []
        while True:
            page = await self.messages(room_id, dir, **query)
            found += page["chunk"]
            if "end" not in page:
                return found
            assert page["end"] != query.get("from_"), "the page leads to itself"
            query["from_"] = page["end"]

    async def context(self, room_id: str, event_id: str, **query: Any) -> Json:
        """What stands around an event."""
        context: Json = await self.in_room(room_id, "GET", f"context/{segment(event_id)}", **query)
        return context

    async def at_time(self, room_id: str, ts: object, dir: str) -> str:  # noqa: A002 - the parameter's name
        """The event nearest to a time."""
        path = f"/v1/rooms/{segment(room_id)}/timestamp_to_event"
        answer = await self.request("GET", path, ts=ts, dir=dir)
        return str(answer["event_id"])

    async def receipt(self, room_id: str, event_id: str, kind: str = "m.read", **body: Any) -> None:
        """Says that an event was read."""
        await self.in_room(room_id, "POST", f"receipt/{kind}/{segment(event_id)}", body)

    async def ignore(self, *users: "User") -> None:
        """Ignores these from now on, and nobody else."""
        await self.ignore_names(*(user.id for user in users))

    async def ignore_names(self, *names: str) -> None:
        """The same by names, which need not be those of anybody."""
        content: Json = {"ignored_users": {name: {} for name in names}}
        await self.request("PUT", f"/v3/user/{segment(self.id)}/account_data/m.ignored_user_list", content)

    async def type(self, room_id: str, timeout_ms: int | None = 30_000) -> None:
        """Types for a time, or (None) no longer."""
        body: Json = {"typing": False} if timeout_ms is None else {"typing": True, "timeout": timeout_ms}
        await self.in_room(room_id, "PUT", f"typing/{segment(self.id)}", body)

    async def in_room(self, room_id: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request of those that stand below a room."""
        return await self.request(method, f"/v3/rooms/{segment(room_id)}/{path}", body, **query)

    async def sync(self, since: str | None = None, **query: Any) -> Synced:
        """What is new since the last sync, or since a token; `filter` may be JSON."""
        query = {"timeout": 0, "since": since or self.since, **query}
        synced = Synced(await self.request("GET", "/v3/sync", **query))
        self.since = synced.next_batch
        return synced

    async def sync_anew(self, **query: Any) -> Synced:
        """A first sync, whatever came before."""
        self.since = None
        return await self.sync(**query)

    async def log_in_again(self) -> "User":
        """Another device of the same user."""
        identifier = {"type": "m.id.user", "user": self.id}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        return User(self.server, await self.request("POST", "/v3/login", body))

    @asynccontextmanager
    async def waiting(self, **query: Any) -> AsyncIterator["asyncio.Task[Synced]"]:
        """A sync that waits while the body runs; it must have its answer before long."""
        task = asyncio.create_task(self.sync(timeout=LONG_POLL_MS, **query))
        while not await self.server.has_waiters():
            assert not task.done(), task.result().body
            await asyncio.sleep(0.002)
        yield task
        async with asyncio.timeout(LONG_POLL_MS / 2000):
            await asyncio.wait([task])


def texts(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was said in events."""
    return [event["content"].get("body", "(redacted)") for event in events if event["type"] == "m.room.message"]


def ids(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of events."""
    return [event["event_id"] for event in events]


def segment(text: str) -> str:
    """A part of a path, encoded."""
    return quote(text, safe="")


def _texts(value: Any) -> str | list[str]:
    return [_text(each) for each in value] if isinstance(value, list | tuple) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)
