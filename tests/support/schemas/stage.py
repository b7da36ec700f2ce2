"""The people and rooms of a run, and what the operations may ask for with success."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.conformance.stage import PASSWORD, Account


@dataclass(frozen=True, slots=True)
class Known:
    """Values that exist, by the names of parameters and members of bodies; and whole bodies, by operation."""

    values: Mapping[str, Sequence[str | int]]
    bodies: Mapping[str, Any]


class Stage:
    """Alice, who asks; Bob, Carol and Dora, whom she can ban and invite; the host, who puts right what Alice does.

    The host has founded four rooms, in which nobody has more power: two with Alice and Bob in them, and two that Alice
    has left; at one of these she may knock.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        names = ("alice", "bob", "carol", "dora", "host")
        self.alice, self._bob, self._carol, self._dora, self._host = (Account(url, name) for name in names)
        self._rooms = [self._room("public_chat", "12"), self._room("private_chat", "10")]
        self.known = Known(self._values(), self._bodies())

    def disposable(self) -> Account:
        """Somebody new, for an operation after which they are of no further use."""
        return Account(self._url, "somebody")

    def mend(self) -> None:
        """Alice and Bob come back into the rooms, out of which an operation may have led them."""
        for room in self._rooms:
            joined = self._host.call("GET", f"/rooms/{quote(room)}/joined_members")["joined"]
            for person in (self.alice, self._bob):
                if person.user_id not in joined:
                    self._bring(person, room)

    def _bring(self, person: Account, room: str) -> None:
        path = f"/rooms/{quote(room)}"
        member = self._host.call("GET", f"{path}/state/m.room.member/{quote(person.user_id)}")
        if member["membership"] == "ban":
            self._host.call("POST", f"{path}/unban", {"user_id": person.user_id})
        if member["membership"] != "invite":
            self._host.call("POST", f"{path}/invite", {"user_id": person.user_id})
        person.call("POST", f"{path}/join", {})

    def _room(self, preset: str, version: str) -> str:
        """A room in which Alice may do nearly everything, and Bob less."""
        people = [self.alice, self._bob]
        powers = {self.alice.user_id: 100, self._bob.user_id: 50}
        creation = {
            "preset": preset,
            "room_version": version,
            "name": "The garden",
            "invite": [each.user_id for each in people],
            "power_level_content_override": {
                "users": powers if version == "12" else {**powers, self._host.user_id: 101}
            },
        }
        room: str = self._host.call("POST", "/createRoom", creation)["room_id"]
        for each in people:
            each.call("POST", f"/rooms/{quote(room)}/join", {})
        return room

    def _left(self, join_rule: str) -> str:
        """A room that Alice has been in."""
        room = self._room("private_chat", "11")
        self.alice.call("POST", f"/rooms/{quote(room)}/leave", {})
        self._host.call("PUT", f"/rooms/{quote(room)}/state/m.room.join_rules", {"join_rule": join_rule})
        return room

    def _values(self) -> dict[str, list[str | int]]:
        server = self.alice.user_id.partition(":")[2]
        alias = f"#garden-{secrets.token_hex(4)}:{server}"
        self.alice.call("PUT", f"/directory/room/{quote(alias)}", {"room_id": self._rooms[0]})
        events = [self._say(room) for room in self._rooms for _ in range(2)]
        me = quote(self.alice.user_id)
        filter_id = self.alice.call("POST", f"/user/{me}/filter", {"room": {"timeline": {"limit": 5}}})["filter_id"]
        self.alice.call("PUT", f"/user/{me}/account_data/m.direct", {self._bob.user_id: self._rooms[1:]})
        token = self.alice.call("GET", "/sync?timeout=0")["next_batch"]
        device = self.alice.call("GET", "/account/whoami")["device_id"]
        rooms = [*self._rooms, self._left("knock"), self._left("invite")]
        return {
            "roomId": rooms,
            "room_id": rooms,
            "roomIdOrAlias": [*rooms, alias],
            "roomAlias": [alias, f"#new:{server}"],
            "userId": [self.alice.user_id, self._bob.user_id],
            "user_id": [self._carol.user_id, self._bob.user_id],
            "eventId": events,
            "event_id": events,
            "eventType": ["m.room.message", "m.room.name", "m.room.topic", "m.room.member"],
            "stateKey": ["", self.alice.user_id],
            "filterId": [filter_id],
            "filter": [filter_id, "{}"],
            "deviceId": [device],
            "type": ["m.direct", "org.example.settings"],
            "tag": ["m.favourite", "u.work"],
            "ruleId": ["tea", ".m.rule.master", ".m.rule.suppress_notices"],
            "keyName": ["displayname", "avatar_url"],
            "receiptType": ["m.read", "m.fully_read"],
            "new_version": ["11"],
            "from": [token],
            "to": [token],
            "since": [token],
            "dir": ["b", "f"],
            "limit": [1, 10],
        }

    def _bodies(self) -> dict[str, Any]:
        identifier = {"type": "m.id.user", "user": self._bob.name}
        login = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        return {
            "post /_matrix/client/v3/login": login,
            # Others may be banned.
            "post /_matrix/client/v3/rooms/{roomId}/invite": {"user_id": self._dora.user_id},
        }

    def _say(self, room: str) -> str:
        path = f"/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
        event: str = self.alice.call("PUT", path, {"msgtype": "m.text", "body": "Good morning"})["event_id"]
        return event
