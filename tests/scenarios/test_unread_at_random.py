"""Unread counts are those of a slow evaluation of everything, whatever people do, and /sync tells whenever they change.

Random rule sets, threads, mentions, edits, receipts, redactions, ignored users, renames and stays, on each engine.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.scenarios.slow_counts import MAIN, Count, Json, Ledger, rule_set, total
from tests.support import soak
from tests.support.homeserver import Home, Refused, User

STEPS = 160
QUICK_SECONDS = 4.0
THREADED: Json = {"room": {"timeline": {"unread_thread_notifications": True, "limit": 1}}}
WORDS = ("tea", "time", "carol", "bob and alice", "DAVE", "nothing")
DEFAULTS = (
    ("override", ".m.rule.master"),
    ("override", ".m.rule.master"),
    ("override", ".m.rule.is_user_mention"),
    ("override", ".m.rule.suppress_edits"),
    ("override", ".m.rule.suppress_notices"),
    ("override", ".m.rule.member_event"),
    ("underride", ".m.rule.message"),
)
ACTIONS: tuple[list[Json | str], ...] = ([], ["notify"], ["notify", {"set_tweak": "highlight"}])


class Client:
    """A device that remembers the newest counts of a room: of the whole, or of each thread."""

    def __init__(self, user: User, filter_: Json) -> None:
        self.user = user
        self.filter = filter_
        self.counts: dict[str, Count] = {}

    async def catch_up(self, room: str) -> None:
        """One sync."""
        body = (await self.user.sync(filter=self.filter)).joined(room).body
        if "unread_notifications" in body:
            threads = {**body.get("unread_thread_notifications", {}), MAIN: body["unread_notifications"]}
            self.counts = {root: (c["notification_count"], c["highlight_count"]) for root, c in threads.items()}


class Play:
    """One random play in one room, with its ledger; the witness sees everything and does nothing."""

    def __init__(self, dice: random.Random, people: list[User], witness: User, room: str) -> None:
        self.dice = dice
        self.people = people
        self.witness = witness
        self.room = room
        self.ledger = Ledger(room, levels={user.id: 1 for user in [*people, witness]} | {people[0].id: 100})

    async def begin(self) -> None:
        """What is there when the play begins."""
        for user in [*self.people, self.witness]:
            self.ledger.ignored[user.id] = set()
            await self._learn_rules(user)
        for event in (await self.witness.messages(self.room, "f", limit=100))["chunk"]:
            self.ledger.add(event)

    async def step(self) -> None:
        """Somebody does something, if they may."""
        user = self.dice.choice(self.people)
        acts: list[Callable[[User], Awaitable[object]]] = [
            *[self._say] * 6,
            *[self._relate] * 5,
            *[self._read] * 4,
            *[self._set_rule] * 3,
            self._switch_default,
            self._redact,
            self._ignore,
            self._come_and_go,
            *[self._rename] * 2,
        ]
        with suppress(Refused):
            await self.dice.choice(acts)(user)

    async def _said(self, event_id: str) -> None:
        self.ledger.add(await self.witness.event(self.room, event_id))

    def _content(self) -> Json:
        content: Json = {"msgtype": self.dice.choice(("m.text", "m.text", "m.notice")), "body": self._words()}
        if self.dice.random() < 0.3:
            content["m.mentions"] = {"user_ids": [self.dice.choice(self.people).id]}
        if self.dice.random() < 0.1:
            content["m.mentions"] = {"room": True}
        return content

    def _words(self) -> str:
        return " ".join(self.dice.choices(WORDS, k=2))

    async def _say(self, user: User) -> None:
        await self._said(await user.send(self.room, self._kind(), self._content()))

    def _kind(self) -> str:
        return self.dice.choice(("m.room.message", "m.room.message", "m.room.encrypted", "org.example.other"))

    async def _relate(self, user: User) -> None:
        other = self.dice.choice(self.ledger.events[-15:]).event_id
        roots = [said.event_id for said in self.ledger.events if "m.relates_to" not in said.content]
        relation = self.dice.choice(
            (
                {"rel_type": "m.thread", "event_id": self.dice.choice(roots[-4:])},
                {"rel_type": "m.thread", "event_id": self.dice.choice(roots[-4:])},
                {"rel_type": "m.reference", "event_id": other},
                {"rel_type": "m.replace", "event_id": other},
                {"rel_type": "m.annotation", "event_id": other, "key": self._words()},
                {"m.in_reply_to": {"event_id": other}},
            )
        )
        kind = "m.reaction" if relation.get("rel_type") == "m.annotation" else self._kind()
        await self._said(await user.send(self.room, kind, {**self._content(), "m.relates_to": relation}))

    async def _read(self, user: User) -> None:
        said = self.dice.choice(self.ledger.events[-20:])
        kind = self.dice.choice(("m.read", "m.read.private"))
        thread = self.dice.choice(("", said.thread, said.thread))
        await user.receipt(self.room, said.event_id, kind, **({"thread_id": thread} if thread else {}))
        self.ledger.read(user.id, kind, thread, said.event_id)

    async def _set_rule(self, user: User) -> None:
        actions = self.dice.choice(ACTIONS)
        here = {"kind": "event_match", "key": "room_id", "pattern": self.room}
        other = self.dice.choice(self.people).id
        path, body = self.dice.choice(
            (
                ("override/quiet", {"actions": [], "conditions": [here]}),
                ("override/quiet", {"actions": [], "conditions": [here]}),
                (f"room/{self.room}", {"actions": []}),
                (f"room/{self.room}", {"actions": actions}),
                ("content/word", {"actions": actions, "pattern": self.dice.choice(("tea", "ti*e"))}),
                (f"sender/{other}", {"actions": actions}),
                ("override/name", {"actions": actions, "conditions": [{"kind": "contains_display_name"}]}),
                ("override/name", {"actions": ["notify"], "conditions": [{"kind": "contains_display_name"}]}),
                ("underride/few", {"actions": actions, "conditions": [{"kind": "room_member_count", "is": "<5"}]}),
            )
        )
        path = "/v3/pushrules/global/" + path
        if self.dice.random() < 0.5:
            await user.request("DELETE", path)
        else:
            await user.request("PUT", path, body)
        await self._learn_rules(user)

    async def _switch_default(self, user: User) -> None:
        kind, rule = self.dice.choice(DEFAULTS)
        path = f"/v3/pushrules/global/{kind}/{rule}"
        enabled = (await user.request("GET", f"{path}/enabled"))["enabled"]
        await user.request("PUT", f"{path}/enabled", {"enabled": not enabled})
        await self._learn_rules(user)

    async def _learn_rules(self, user: User) -> None:
        self.ledger.rules[user.id] = rule_set(await user.request("GET", "/v3/pushrules/"))

    async def _redact(self, user: User) -> None:
        said = self.dice.choice(self.ledger.events[-20:])
        if "body" in said.content:
            event_id = await user.redact(self.room, said.event_id)
            self.ledger.redact(said.event_id)
            await self._said(event_id)

    async def _ignore(self, user: User) -> None:
        chosen = set(self.dice.sample([other.id for other in self.people], self.dice.choice((0, 1, 2))))
        content: Json = {"ignored_users": {name: {} for name in [*sorted(chosen), "@unheard_of:example.org", "nobody"]}}
        await user.request("PUT", f"/v3/user/{user.id}/account_data/m.ignored_user_list", content)
        self.ledger.ignored[user.id] = chosen - {user.id}

    async def _come_and_go(self, user: User) -> None:
        if user is self.people[0]:
            return
        if user.id in self.ledger.members:
            await user.leave(self.room)
        else:
            await user.join(self.room)
        await self._hear_of_members()

    async def _rename(self, user: User) -> None:
        await user.set_member(self.room, user, "join", displayname=self.dice.choice(WORDS))
        await self._hear_of_members()

    async def _hear_of_members(self) -> None:
        newest = (await self.witness.messages(self.room, limit=1))["chunk"][0]
        if newest["event_id"] != self.ledger.events[-1].event_id:
            self.ledger.add(newest)


@pytest.mark.soak
async def test_counts_are_those_of_a_slow_evaluation(either_home: Home) -> None:
    dice = soak.random_source()
    for number in range(soak.times(1, QUICK_SECONDS)):
        people = await either_home.users(*(f"{name}{number}" for name in ("alice", "bob", "carol", "dave", "eve")))
        levels = {"users_default": 1, "events": {}}
        room = await people[0].create_room(preset="public_chat", room_version="11", power_level_content_override=levels)
        for user in people[1:]:
            await user.join(room)
        await _act(Play(dice, people[:-1], people[-1], room))


async def _act(play: Play) -> None:
    await play.begin()
    clients = [Client(await user.log_in_again(), wanted) for user in play.people for wanted in ({}, THREADED)]
    for number in range(STEPS):
        await play.step()
        if number % 4 == 3:
            for client in clients:
                await _check(play, client, number)


async def _check(play: Play, client: Client, number: int) -> None:
    """The client has the right counts, and so has one that begins anew."""
    anew = Client(client.user, client.filter)
    await client.catch_up(play.room)
    if client.user.id not in play.ledger.members:
        client.counts = {}
        return
    expected = play.ledger.counts(client.user.id)
    if client.filter is not THREADED:
        expected = {MAIN: total(expected)}
    assert client.counts == expected, (client.user.id, number)
    since, client.user.since = client.user.since, None
    await anew.catch_up(play.room)
    client.user.since = since
    assert anew.counts == expected, (client.user.id, number)
