"""What stands inside of contents: refused, or taken and harmless to all who read it afterwards.

After each content that was taken people say something in the room, sync, page and look at its state and members, as
one of them whose push rules look into everything. Some contents of each kind are tried, and as many as there is time
for by `./dev soak`.
"""

import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.conformance.contents import CONDITIONS, SUBJECTS, Json, Subject, variants
from tests.conformance.exchange import Answer, Request, exchange, fault
from tests.conformance.stage import CLIENT, Account, prove_alive
from tests.support import soak

QUICK = 15
"""How many contents of a kind are tried at least."""

ONLY_NEWEST = quote(json.dumps({"room": {"timeline": {"limit": 5}, "state": {"lazy_load_members": True}}}))


class Room:
    """A room of alice and bob, who are all that a content may name."""

    def __init__(self, url: str, version: str) -> None:
        self._url = url
        self._version = version
        self._number = 0
        self.alice, self.bob = Account(url, "alice"), Account(url, "bob")
        rule = {"actions": ["notify", {"set_tweak": "highlight"}]}
        for condition in CONDITIONS:
            body = {**rule, "conditions": [filled(condition, {"{bob}": self.bob.user_id})]}
            self.bob.call("PUT", f"/pushrules/global/override/{condition['kind']}", body)
        self.furnish()

    def furnish(self) -> None:
        """A new room with a message in it; the old one is left behind."""
        alias = f"garden-{self._next()}-{self.alice.name}"
        body = {"room_version": self._version, "preset": "public_chat", "name": "The garden", "room_alias_name": alias}
        room = self.alice.call("POST", "/createRoom", body)["room_id"]
        self.bob.call("POST", f"/join/{quote(room)}", {})
        said = {"msgtype": "m.text", "body": "Good morning"}
        event = self.alice.call("PUT", f"/rooms/{quote(room)}/send/m.room.message/{self._next()}", said)["event_id"]
        domain = self.alice.user_id.partition(":")[2]
        self.names = {
            "{alice}": self.alice.user_id,
            "{bob}": self.bob.user_id,
            "{room}": room,
            "{alias}": f"#{alias}:{domain}",
            "{event}": event,
            "{domain}": domain,
        }
        self.since = self.bob.call("GET", f"/sync?filter={ONLY_NEWEST}")["next_batch"]

    def _next(self) -> str:
        self._number += 1
        return f"transaction-{self._number}"

    def ask(self, method: str, path: str, body: Any = None, *, by: Account | None = None) -> Answer:
        """One request; the path may hold the names."""
        path = filled(path, {name: quote(value, safe="") for name, value in self.names.items()})
        headers = {"Authorization": (by or self.alice).authorization, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return exchange(self._url, Request(method, CLIENT + path.replace("{txn}", self._next()), data, headers))

    def look(self) -> list[Answer]:
        """What people do afterwards; the first answer is that to a message."""
        said = {
            "msgtype": "m.text",
            "body": "tea for Bob",
            "m.mentions": {"user_ids": [self.bob.user_id], "room": True},
        }
        answers = [
            self.ask("PUT", "/rooms/{room}/send/m.room.message/{txn}", said),
            self.ask("GET", f"/sync?filter={ONLY_NEWEST}"),
            self.ask("GET", f"/sync?since={self.since}", by=self.bob),
            self.ask("GET", "/rooms/{room}/messages?dir=b&limit=5", by=self.bob),
            self.ask("GET", "/rooms/{room}/state"),
            self.ask("GET", "/rooms/{room}/joined_members"),
            self.ask("POST", "/rooms/{room}/invite", {"user_id": f"@nobody:{self.names['{domain}']}"}, by=self.bob),
        ]
        if answers[2].status == 200:
            self.since = json.loads(answers[2].body)["next_batch"]
        return answers


def filled(value: Any, names: dict[str, str]) -> Any:
    """JSON, or a text, with names in the place of what stands for them."""
    if isinstance(value, dict):
        return {filled(key, names): filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    if isinstance(value, str) and "{" in value:
        for name, actual in names.items():
            value = value.replace(name, actual)
    return value


def faults(room: Room, subject: Subject, content: Json) -> list[str]:
    """What is wrong with the answers to a content, and with those to what is done afterwards."""
    answer = room.ask(subject.method, subject.path, filled(content, room.names))
    if answer.status >= 300:
        return _faults([answer])
    answers = [answer]
    if subject.then:
        [named] = json.loads(answer.body).values()
        answers.append(room.ask("GET", subject.then.replace("{answer}", quote(named))))
    looked = room.look()
    if looked[0].status != 200:
        room.furnish()
    return _faults([*answers, *looked])


def _faults(answers: list[Answer]) -> list[str]:
    return [found for answer in answers if (found := fault(answer, cors=True))]


@pytest.mark.soak
@pytest.mark.parametrize("name", SUBJECTS)
def test_hostile_contents_are_refused_or_harmless(server_url: str, name: str) -> None:
    subject = SUBJECTS[name]
    room = Room(server_url, subject.version)
    good = room.ask(subject.method, subject.path, filled(subject.good, room.names))
    assert good.status == 200, good
    cases = list(variants(subject.good))
    soak.random_source().shuffle(cases)
    until, found = time.monotonic() + soak.seconds(0), list[str]()
    for number, (description, content) in enumerate(cases):
        if number >= QUICK and time.monotonic() > until:
            break
        found += [f"{description}: {told}" for told in faults(room, subject, content)]
    assert not found, f"{len(found)} faults:\n" + "\n".join(found[:40])
    prove_alive(server_url)
