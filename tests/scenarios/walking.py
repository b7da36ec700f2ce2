"""Several people act at random in several rooms: one after the other, or many in the same moment."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import quote

from tests.support.people import Json, Refused, User

Act = Coroutine[Any, Any, object]
LEVELS = (60, 40, 20, 20)
VISIBILITIES = ("world_readable", "shared", "invited", "joined")
JOIN_RULES = ("public", "public", "public", "invite", "knock")
MOST_ROOMS = 3
TYPES_MS = 3_600_000


class Walk:
    """One play, from a seed. All that is random of an act is drawn before it begins, so that bursts can be repeated.

    `rooms` grow, and with them `said` (by room, the events sent there) and `forgot` (who tried to forget which room).
    The witness is in every room, has all power, and sees all.
    """

    def __init__(self, dice: random.Random, people: Sequence[User], witness: User) -> None:
        self.dice = dice
        self.people = people
        self.witness = witness
        self.rooms: list[str] = []
        self.said: dict[str, list[str]] = {}
        self.forgot: set[tuple[str, str]] = set()

    async def begin(self) -> None:
        """Two rooms with nobody but the witness in them."""
        for _ in range(2):
            await self._create(self.dice.choice(VISIBILITIES))

    async def step(self) -> None:
        """Somebody does something, if they may."""
        self._note([await self._try(*self.draw())])

    async def burst(self, size: int, *others: Coroutine[Any, Any, object]) -> None:
        """Several people do something in the same moment, while others do theirs."""
        acts = [self._try(*self.draw()) for _ in range(size)]
        self._note((await asyncio.gather(*acts, *others))[:size])

    def draw(self) -> tuple[str, Act]:
        """An act and the room where it takes place."""
        actor, other = self.dice.sample(self.people, 2)
        room = self.dice.choice(self.rooms)
        acts: tuple[Callable[[User, User, str], Act], ...] = (
            *[self._say] * 6,
            *[self._join] * 5,
            *[self._leave] * 2,
            *[self._moderate] * 4,
            *[self._set_state] * 4,
            *[self._read] * 3,
            *[self._keep] * 3,
            *[self._set_member] * 2,
            self._relate,
            self._redact,
            self._type,
            self._forget,
            self._set_power,
            self._switch_rule,
            self._found,
        )
        return room, self.dice.choice(acts)(actor, other, room)

    async def _try(self, room: str, act: Act) -> tuple[str, object]:
        try:
            return room, await act
        except Refused as error:
            if error.status >= 500:
                raise
            return room, None

    def _note(self, done: Sequence[Any]) -> None:
        for room, event in done:
            if isinstance(event, str) and event.startswith("$"):
                self.said[room].append(event)

    def _some_event(self, room: str, among: int = 12) -> str:
        return self.dice.choice(self.said[room][-among:])

    def _say(self, actor: User, other: User, room: str) -> Act:
        mentions: Json = {"m.mentions": {"user_ids": [other.id]}} if self.dice.random() < 0.3 else {}
        return actor.say(room, f"something {self.dice.random()}", more=mentions)

    def _relate(self, actor: User, _: User, room: str) -> Act:
        kind = self.dice.choice(("m.thread", "m.thread", "m.replace", "m.reference"))
        relation = {"rel_type": kind, "event_id": self._some_event(room)}
        return actor.say(room, "a reply", more={"m.relates_to": relation})

    def _join(self, actor: User, _: User, room: str) -> Act:
        return actor.join(room)

    def _leave(self, actor: User, _: User, room: str) -> Act:
        return actor.leave(room)

    def _forget(self, actor: User, _: User, room: str) -> Act:
        self.forgot.add((actor.id, room))
        return actor.forget(room)

    def _moderate(self, actor: User, other: User, room: str) -> Act:
        act = self.dice.choice(("invite", "invite", "kick", "ban", "unban", "knock"))
        if act == "invite":
            return actor.invite(room, other)
        return actor.knock(room) if act == "knock" else actor.moderate(room, act, other)

    def _set_member(self, actor: User, _: User, room: str) -> Act:
        return actor.set_member(room, actor, "join", displayname=str(self.dice.random()))

    def _set_state(self, actor: User, _: User, room: str) -> Act:
        some = str(self.dice.random())
        kind, content, state_key = self.dice.choice(
            (
                ("m.room.topic", {"topic": some}, ""),
                ("m.room.topic", {"topic": some}, ""),
                ("m.room.name", {"name": self.dice.choice((some, ""))}, ""),
                ("org.example.seat", {"seat": some}, self.dice.choice("abc")),
                ("m.room.history_visibility", {"history_visibility": self.dice.choice(VISIBILITIES)}, ""),
                ("m.room.history_visibility", {"history_visibility": self.dice.choice(VISIBILITIES)}, ""),
                ("m.room.join_rules", {"join_rule": self.dice.choice(JOIN_RULES)}, ""),
            )
        )
        return actor.set_state(room, kind, content, state_key)

    def _set_power(self, _: User, other: User, room: str) -> Act:
        return self._change_power(other, room, self.dice.choice((10, 30, 50)))

    async def _change_power(self, other: User, room: str, level: int) -> str:
        content = await self.witness.state(room, "m.room.power_levels")
        content["users"][other.id] = level
        return await self.witness.set_state(room, "m.room.power_levels", content)

    def _redact(self, actor: User, _: User, room: str) -> Act:
        return actor.redact(room, self._some_event(room))

    def _read(self, actor: User, _: User, room: str) -> Act:
        kind = self.dice.choice(("m.read", "m.read", "m.read.private", "m.fully_read"))
        thread = self.dice.choice(({}, {}, {"thread_id": "main"}, {"thread_id": self._some_event(room, 6)}))
        return actor.receipt(room, self._some_event(room, 4), kind, **thread)

    def _type(self, actor: User, _: User, room: str) -> Act:
        return actor.type(room, self.dice.choice((TYPES_MS, None)))

    def _keep(self, actor: User, _: User, room: str) -> Act:
        content = {"order": self.dice.random()}
        path = self.dice.choice(
            (
                "account_data/org.example.notes",
                f"rooms/{quote(room)}/account_data/org.example.notes",
                f"rooms/{quote(room)}/tags/u.work",
            )
        )
        return actor.request("PUT", f"/v3/user/{quote(actor.id)}/{path}", content)

    def _switch_rule(self, actor: User, _: User, room: str) -> Act:
        path, body = self.dice.choice(
            (
                ("override/.m.rule.is_user_mention/enabled", {"enabled": self.dice.random() < 0.5}),
                (f"room/{quote(room)}", {"actions": self.dice.choice(([], ["notify"]))}),
            )
        )
        return actor.request("PUT", f"/v3/pushrules/global/{path}", body)

    def _found(self, *_: object) -> Act:
        return self._create(self.dice.choice(VISIBILITIES), self.dice.choice(self.people))

    async def _create(self, visibility: str, *guests: User) -> None:
        if len(self.rooms) >= MOST_ROOMS:
            return
        users = {user.id: level for user, level in zip(self.people, LEVELS, strict=True)}
        levels = {"state_default": 0, "kick": 0, "ban": 0, "redact": 0, "events": {}, "invite": 0}
        room = await self.witness.create_room(
            preset="public_chat",
            room_version="11",
            initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}],
            power_level_content_override={**levels, "users": {self.witness.id: 100, **users}},
            invite=[guest.id for guest in guests],
        )
        self.said[room] = [(await self.witness.messages(room, limit=1))["chunk"][0]["event_id"]]
        self.rooms.append(room)
