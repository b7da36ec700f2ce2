"""How a graph grows by chance: what people on several servers do, each server upon what it has heard of.

Most of it is allowed where it is done; some is not, some is not what it says, some is done where the graph was long
ago.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from oriz_matrix.protocol.event_builder import EventBuilder, countersigned
from oriz_matrix.protocol.events import Event, event_from_pdu, redacted
from oriz_matrix.protocol.hashing import reference_hash, signed_bytes
from oriz_matrix.protocol.identifiers import EventId, ServerName, UserId
from tests.protocol.reference import authorization as reference
from tests.support.graphs.graph import Graph, State
from tests.support.graphs.others import KEYS, NAMES
from tests.support.homeserver import Json

MEMBER, POWER = "m.room.member", ("m.room.power_levels", "")
AUTHORISER = "join_authorised_via_users_server"
ROSA = f"@rosa:{NAMES[0]}"
PEOPLE = [ROSA, *(f"@{name}:{server}" for name in ("a", "b") for server in NAMES)]
LEVELS = (0, 0, 25, 50, 50, 75, 99, 100)
MOST_PREVIOUS = 20


class Act(NamedTuple):
    """What somebody does."""

    sender: str
    kind: str
    content: Mapping[str, Any]
    state_key: str | None = None
    redacts: EventId | None = None


class Growth:
    """heads: what each server has heard of last. untouchable: who is not demoted, kicked or banned."""

    def __init__(self, graph: Graph, dice: random.Random, now_ms: Callable[[], int]) -> None:
        self.graph = graph
        self.dice = dice
        self.heads: dict[ServerName, list[EventId]] = {name: [] for name in NAMES}
        self.people = list(PEOPLE)
        self.untouchable = {ROSA}
        self.forged: list[Mapping[str, Any]] = []
        self._now_ms = now_ms

    def found(self, levels: Mapping[str, int]) -> None:
        """Rosa creates the room; all servers hear of it."""
        version = self.graph.version
        creator = {"creator": ROSA} if version.creator_in_content else {}
        self._done(Act(ROSA, "m.room.create", {"room_version": version.name, **creator}, ""), [])
        mine = {} if version.privileged_creators else {ROSA: 100}
        power = {"users": {**mine, **levels}, "events": {"m.room.topic": 0}, "invite": 0, "state_default": 25}
        for act in (
            Act(ROSA, MEMBER, {"membership": "join"}, ROSA),
            Act(ROSA, POWER[0], power, ""),
            Act(ROSA, "m.room.join_rules", {"join_rule": "public"}, ""),
            Act(ROSA, "m.room.history_visibility", {"history_visibility": "shared"}, ""),
        ):
            self._done(act, self.graph.tips())
        self.heard(*self.graph.tips())

    def heard(self, *ids: EventId) -> None:
        """Every server hears of events."""
        for server in NAMES:
            self.hears(server, ids)

    def merge(self) -> list[Event]:
        """Rosa says something upon everything there is, as often as it takes until nothing else is an end."""
        made: list[Event] = []
        while len(tips := self.graph.tips()) > 1 or not made:
            made.append(self.made(self._say(ROSA, {}), tips[:MOST_PREVIOUS]))
        return made

    def made_public(self) -> None:
        """Rosa opens the room to all, where everything is known."""
        self.made(Act(ROSA, "m.room.join_rules", {"join_rule": "public"}, ""), self.graph.tips()[-MOST_PREVIOUS:])

    def hears(self, server: ServerName, ids: Sequence[EventId]) -> None:
        """One server hears of events."""
        self.heads[server] = self.graph.heads_of([*self.heads[server], *ids])

    def grow(self) -> Event:
        """Somebody does something."""
        server = self.dice.choice(NAMES)
        if self.dice.random() < 0.3:
            self.hears(server, self.heads[self.dice.choice(NAMES)])
        previous = self._previous(server)
        state = self.graph.merged(previous)
        act = self._act(server, state)
        if self.dice.random() < 0.1:
            event = self._made(act, previous, self._wrong_auth(act, state))
        else:
            event = self._made(act, previous)
        pdu = event.pdu
        if self.dice.random() < 0.05:
            pdu = _signed_anew({**pdu, "content": {**pdu["content"], "more": "after hashing"}}, event, server)
            event = redacted(event_from_pdu(pdu, event.version))
        if self.dice.random() < 0.05:
            forged = self._made(act, previous)
            named = {"event_id": f"$forged{len(self.forged)}:{server}"} if "event_id" in forged.pdu else {}
            self.forged.append(_signed_anew({**forged.pdu, **named, "depth": forged.depth // 2}, forged, None))
        self.graph.add(event, pdu)
        if event.event_id not in self.graph.rejected or self.dice.random() < 0.5:
            self.hears(server, [event.event_id])
        return event

    def _previous(self, server: ServerName) -> list[EventId]:
        """Mostly what the server has heard of last; sometimes part of it, sometimes what is long past."""
        heads, chance = self.heads[server], self.dice.random()
        if chance < 0.005:
            return []
        if chance < 0.12:
            everything = list(self.graph.events)
            return self.dice.sample(everything[len(everything) // 2 :], self.dice.choice((1, 1, 1, 2, 3)))
        if chance < 0.3:
            return [self.dice.choice(heads)]
        return heads[-MOST_PREVIOUS:]

    def _wrong_auth(self, act: Act, state: State) -> list[EventId]:
        """Other auth events than those of the state."""
        right = self._auth(act, state)
        events = list(self.graph.events.values())
        kind = self.dice.choice(("twice", "without", "strange", "stale", "rejected"))
        if kind == "twice" and right:
            return [*right, self.dice.choice(right)]
        if kind == "without" and right:
            right.remove(self.dice.choice(right))
            return right
        if kind == "strange":
            return [*right, self.dice.choice(events).event_id]
        if kind == "rejected" and self.graph.unfounded:
            return [*right, self.dice.choice(sorted(self.graph.unfounded))]
        keys = {self.graph.events[each].key for each in right if self.graph.events[each].type != "m.room.create"}
        good = [e for e in events if e.is_state and e.key in keys and e.event_id not in self.graph.rejected]
        if not good:
            return right
        older = self.dice.choice(good)
        return [older.event_id if self.graph.events[each].key == older.key else each for each in right]

    def _auth(self, act: Act, state: State) -> list[EventId]:
        event = self._builder(act, [], []).build(_server(act.sender), KEYS[_server(act.sender)])
        return [state[key] for key in sorted(reference.selection(event)) if key in state]

    def _done(self, act: Act, previous: Sequence[EventId]) -> Event:
        return self.graph.add(self._made(act, previous))

    def made(self, act: Act, previous: Sequence[EventId]) -> Event:
        """An event that somebody makes as one should, now part of the graph."""
        event = self._done(act, previous)
        self.hears(_server(act.sender), [event.event_id])
        return event

    def _made(self, act: Act, previous: Sequence[EventId], auth: Sequence[EventId] | None = None) -> Event:
        server = _server(act.sender)
        cited = self._auth(act, self.graph.merged(previous)) if auth is None else auth
        event = self._builder(act, previous, cited).build(server, KEYS[server])
        authoriser = act.content.get(AUTHORISER)
        return event if authoriser is None else countersigned(event, _server(authoriser), KEYS[_server(authoriser)])

    def template(self, user_id: str) -> Json:
        """A join for somebody of another server."""
        previous = self.heads[NAMES[0]]
        act = Act(user_id, MEMBER, {"membership": "join"}, user_id)
        keys = reference.selection(self._builder(act, [], []).build(NAMES[0], KEYS[NAMES[0]]))
        state = self.graph.merged(previous)
        return self._builder(act, previous, [state[key] for key in sorted(keys) if key in state]).template()

    def _builder(self, act: Act, previous: Sequence[EventId], auth: Sequence[EventId]) -> EventBuilder:
        graph, version, content = self.graph, self.graph.version, act.content
        if act.redacts is not None and version.redacts_in_content:
            content = {**content, "redacts": act.redacts}
        deepest = max((graph.events[each].depth for each in previous), default=0)
        depth = self.dice.choice((0, version.max_depth)) if self.dice.random() < 0.03 else deepest + 1
        hashes = {each: reference_hash(graph.pdus[each], version) for each in {*previous, *auth}}
        first = act.kind == "m.room.create" and version.room_id_is_create_hash
        return EventBuilder(
            version=version,
            room_id=None if first else graph.room_id or f"!room:{NAMES[0]}",  # type: ignore[arg-type]
            sender=UserId(act.sender),
            type=act.kind,
            content=content,
            state_key=act.state_key,
            redacts=None if version.redacts_in_content else act.redacts,
            prev_event_ids=list(previous),
            auth_event_ids=list(auth),
            depth=depth,
            origin_server_ts=self._now_ms() + self.dice.randrange(-20, 20),
            reference_hashes=hashes,
        )

    def _act(self, server: ServerName, state: State) -> Act:
        people = [user for user in self.people if _server(user) == server]
        events = self.graph.whole(state)
        joined = [user for user in people if reference.membership(user, events) == "join"]
        sender = self.dice.choice(people if not joined or self.dice.random() < 0.2 else joined)
        if reference.membership(sender, events) != "join" and self.dice.random() < 0.7:
            return self._enter(sender, state)
        acts = [self._say] * 4 + [self._set] * 6 + [self._move] * 6 + [self._enter, self._leave, self._redact]
        act: Act = self.dice.choice([*acts, self._grant, self._grant, self._grant, self._rule])(sender, state)
        return act

    def _say(self, sender: str, _: State) -> Act:
        return Act(sender, "m.room.message", {"msgtype": "m.text", "body": str(self.dice.random())})

    def _set(self, sender: str, _: State) -> Act:
        value = str(self.dice.random())
        kind, key = self.dice.choice((("m.room.topic", ""), ("m.room.name", ""), ("seat", "a"), ("seat", "b")))
        return Act(sender, kind, {kind.removeprefix("m.room."): value}, key)

    def _redact(self, sender: str, _: State) -> Act:
        targets = [each for each, event in self.graph.events.items() if event.type != "m.room.create"]
        return Act(sender, "m.room.redaction", {}, redacts=self.dice.choice(targets[-40:]))

    def _move(self, sender: str, state: State) -> Act:
        others = [user for user in self.people if user not in self.untouchable]
        membership = self.dice.choice(("ban", "ban", "leave", "leave", "leave", "invite"))
        target = self.dice.choice(others)
        if reference.membership(target, self.graph.whole(state)) != "join" and self.dice.random() < 0.5:
            membership = "invite"
        return Act(sender, MEMBER, {"membership": membership}, target)

    def _enter(self, sender: str, state: State) -> Act:
        events, content = self.graph.whole(state), {"membership": "join", "displayname": str(self.dice.random())}
        if reference.join_rule_of(events) == "restricted":
            able = [u for u in self.people if reference.membership(u, events) == "join" and _server(u) in KEYS]
            if able:
                content[AUTHORISER] = self.dice.choice(able)
        if reference.join_rule_of(events) == "knock" and self.dice.random() < 0.5:
            content["membership"] = "knock"
        return Act(sender, MEMBER, content, sender)

    def _leave(self, sender: str, state: State) -> Act:
        if sender in self.untouchable:
            return self._say(sender, state)
        return Act(sender, MEMBER, {"membership": "leave"}, sender)

    def _grant(self, sender: str, state: State) -> Act:
        power = self.graph.events[state[POWER]].content if POWER in state else {}
        users = dict(power.get("users", {}))
        others = [user for user in self.people if user not in self.untouchable]
        users[self.dice.choice(others)] = self.dice.choice(LEVELS)
        more = {"ban": self.dice.choice((25, 50, 50, 75))} if self.dice.random() < 0.3 else {}
        return Act(sender, POWER[0], {**power, "users": users, **more}, "")

    def _rule(self, sender: str, _: State) -> Act:
        version = self.graph.version
        rules = ["public", "public", "public", "invite"]
        rules += ["knock"] * version.knock + ["restricted"] * version.restricted
        rule = self.dice.choice(rules)
        allow = {"allow": [{"type": "m.room_membership", "room_id": f"!x:{NAMES[0]}"}]} if rule == "restricted" else {}
        return Act(sender, "m.room.join_rules", {"join_rule": rule, **allow}, "")


def _server(user_id: str) -> ServerName:
    return ServerName(user_id.split(":", 1)[1])


def _signed_anew(pdu: Mapping[str, Any], event: Event, server: ServerName | None) -> Json:
    """With the signature that it needs, or (None) with that of something else."""
    signer = server or NAMES[0]
    message = signed_bytes(pdu, event.version) if server is not None else b"something else"
    name = server or _server(event.sender)
    return {**pdu, "signatures": {**event.pdu["signatures"], name: {"ed25519:k": KEYS[signer].sign(message)}}}
