"""The people and the room that hostile requests are aimed at."""

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.conformance.exchange import Request, exchange

CLIENT = "/_matrix/client/v3"
PASSWORD = "correct horse battery staple"


class Account:
    """A user of the server with one session, which is renewed when it has ended."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = f"{name}-{secrets.token_hex(4)}"
        body = {"username": self.name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        self._take(self._post("/register", body))

    def renew(self) -> None:
        """Logs in again."""
        identifier = {"type": "m.id.user", "user": self.name}
        self._take(self._post("/login", {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}))

    @property
    def authorization(self) -> str:
        """The header's value."""
        return f"Bearer {self.token}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request that is right and must succeed; returns the JSON."""
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        answer = exchange(self.url, Request(method, CLIENT + path, data, headers))
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = exchange(self.url, Request("POST", CLIENT + path, json.dumps(body).encode()))
        assert answer.status == 200, f"POST {path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def _take(self, session: dict[str, str]) -> None:
        self.user_id = session["user_id"]
        self.token = session["access_token"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Alice, who owns a room, and Mallory, who is not in it; and what fits, by the names that endpoints use.

    `segments` are values of a path's parameters, percent-encoded; `fields` those of members of a body. Names that are
    not there get a harmless value of their type.
    """

    alice: Account
    mallory: Account
    room: str
    segments: dict[str, str]
    fields: dict[str, Any]


def set_stage(url: str) -> Stage:
    """New accounts, and a new room with one message in it, whose creator nothing can disempower (room version 12)."""
    alice, mallory = Account(url, "alice"), Account(url, "mallory")
    room = alice.call("POST", "/createRoom", {"name": "The garden", "room_version": "12"})["room_id"]
    path = f"/rooms/{quote(room)}/send/m.room.message/first"
    event = alice.call("PUT", path, {"msgtype": "m.text", "body": "Good morning"})["event_id"]
    filter_id = alice.call("POST", f"/user/{quote(alice.user_id)}/filter", {})["filter_id"]
    segments = {
        "room_id": room,
        "room": room,
        "event_id": event,
        "user_id": alice.user_id,
        "filter_id": filter_id,
        "event_type": "m.room.message",
        "kind": "m.read",
        "receipt_type": "m.read",
        "state_key": "",
        "alias": f"#garden-{alice.name}:{alice.user_id.partition(':')[2]}",
        "rule_kind": "override",
        "rule_id": ".m.rule.suppress_notices",
        "field": "displayname",
        "tag": "m.favourite",
    }
    fields = {
        "auth": {"type": "m.login.dummy"},
        "identifier": {"type": "m.id.user", "user": alice.name},
        "password": PASSWORD,
        "type": "m.login.password",
        "typing": True,
        "mxid": mallory.user_id,
        "user_id": mallory.user_id,
        "room_id": room,
    }
    return Stage(alice, mallory, room, {name: quote(value, safe="") for name, value in segments.items()}, fields)


def prove_alive(url: str) -> None:
    """New people can register, talk and sync, as if nothing had happened."""
    stage = set_stage(url)
    path = f"/rooms/{quote(stage.room)}/send/m.room.message/afterwards"
    sent = stage.alice.call("PUT", path, {"msgtype": "m.text", "body": "Still here"})["event_id"]
    sync = stage.alice.call("GET", "/sync?timeout=0")
    timeline = sync["rooms"]["join"][stage.room]["timeline"]["events"]
    assert timeline[-1]["event_id"] == sent
