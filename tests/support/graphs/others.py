"""The simulated servers: what they answer from the graph, truly or not at all, and the transactions that they send.

The homeserver under test reaches them by their names, without a network: `connected` stands in for its HTTP client.
"""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec
import pytest

from oriz_matrix.net.errors import BadAnswer, Refused, RemoteFailed, Unreachable
from oriz_matrix.net.peers import PeerRequest, Peers
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.event_builder import complete, countersigned
from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.identifiers import EventId, ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, authorization
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.signing import SigningKey
from tests.api.federation.neighbour import sent
from tests.support.graphs.graph import Graph
from tests.support.homeserver import Home, Json

NAMES = tuple(ServerName(name) for name in ("red.test", "blue.test", "green.test"))
KEYS = {name: SigningKey("k", hashlib.sha256(name.encode()).digest()) for name in NAMES}
WEEK_MS = 7 * 24 * 3600 * 1000
KEY_PATH = "/_matrix/key/v2/server"
V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
JUNK: Json = {"type": "m.room.message", "content": {}}

Asked = Mapping[str, list[str]]


class Others:
    """trouble: how often an answer fails or is short of something; useless: one of whom that is always so. reserved:
    whether rejected events are kept back. homes: homeservers that can be asked for their keys."""

    def __init__(self, graph: Graph, dice: random.Random, now_ms: Callable[[], int]) -> None:
        self.graph = graph
        self.trouble = 0.0
        self.useless: ServerName | None = None
        self.reserved = False
        self.template: Callable[[ServerName, str], Json] | None = None
        self.taken: list[Event] = []
        self.homes: dict[str, Home] = {}
        self._dice = dice
        self._now_ms = now_ms
        self._transactions = (f"t{number}" for number in count())

    @contextmanager
    def connected(self) -> Iterator[None]:
        """While this lasts every homeserver in this process reaches them, and nobody else."""

        async def ask(_peers: Peers, server: ServerName, request: PeerRequest) -> dict[str, Any]:
            return self.answer(server, request)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Peers, "ask", ask)
            yield

    def answer(self, server: ServerName, request: PeerRequest) -> Json:
        """What a server answers. Raises RemoteFailed."""
        target = urlsplit(request.uri)
        if server in self.homes and target.path == KEY_PATH:
            return self.homes[server].server.server.server_keys.published()
        if server not in KEYS:
            raise Unreachable("no such server")
        operation, *at = [unquote(part) for part in target.path.split("/")[4:]]
        if target.path == KEY_PATH:
            return publish(server, KEYS[server], {}, self._now_ms() + WEEK_MS)
        respond = getattr(self, f"_{operation}", None)
        if respond is None:
            raise Refused(404, {"errcode": "M_UNRECOGNIZED"})
        body = msgspec.json.decode(request.body) if request.body else None
        answer: Json = respond(server, at, parse_qs(target.query), body)
        trouble = 1.0 if server == self.useless else self.trouble
        if request.method == "PUT" or self._dice.random() >= trouble:
            return answer
        return self._worse(answer)

    def _worse(self, answer: Json) -> Json:
        """Something worse than the answer."""
        failures: list[RemoteFailed | Json] = [
            Refused(500, {}),
            Refused(404, {"errcode": "M_NOT_FOUND"}),
            Refused(403, {"errcode": "M_FORBIDDEN"}),
            Unreachable("too slow"),
            BadAnswer("no JSON"),
            {},
            {"events": "none", "pdus": 5, "auth_chain": None, "pdu_ids": {}, "auth_chain_ids": True},
            {"pdus": [JUNK, 5], "auth_chain": [None], "events": [[], JUNK]},
        ]
        if "pdu_ids" not in answer:
            failures += [{name: self._short(value) for name, value in answer.items()}] * 4
        chosen = self._dice.choice(failures)
        if isinstance(chosen, RemoteFailed):
            raise chosen
        return chosen

    def _short(self, value: Any) -> Any:
        """A list that is short of something, with something else."""
        if not isinstance(value, list):
            return value
        rest = [each for each in value if self._dice.random() < 0.7]
        forged = [{**each, "signatures": {NAMES[0]: {"ed25519:k": "A" * 86}}} for each in value[:1]]
        return rest if len(value) == 1 else [*rest, *forged, JUNK]

    def _pdus(self, ids: Iterable[EventId]) -> list[Json]:
        return [dict(self.graph.pdus[each]) for each in self.graph.in_order(set(ids))]

    def _known(self, event_id: str) -> EventId:
        if event_id not in self.graph.events:
            raise Refused(404, {"errcode": "M_NOT_FOUND"})
        return EventId(event_id)

    def _make_join(self, server: ServerName, at: Sequence[str], query: Asked, _body: Any) -> Json:
        assert self.template is not None
        return {"room_version": self.graph.version.name, "event": self.template(server, at[1])}

    def _send_join(self, server: ServerName, at: Sequence[str], query: Asked, body: Any) -> Json:
        event = self.graph.add(event_from_pdu(body, self.graph.version))
        self.taken.append(event)
        state = self.graph.before[event.event_id].values()
        chain = self.graph.auth_chain([*state, event.event_id])
        return {"origin": server, "event": body, "state": self._pdus(state), "auth_chain": self._pdus(chain)}

    def _invite(self, server: ServerName, at: Sequence[str], query: Asked, body: Any) -> Json:
        event = event_from_pdu(body["event"], self.graph.version)
        return {"event": dict(countersigned(event, server, KEYS[server]).pdu)}

    def _send(self, server: ServerName, at: Sequence[str], query: Asked, body: Any) -> Json:
        return {"pdus": {}}

    def _state_ids(self, server: ServerName, at: Sequence[str], query: Asked, _body: Any) -> Json:
        state = self.graph.before[self._known(query["event_id"][0])].values()
        return {"pdu_ids": list(state), "auth_chain_ids": sorted(self.graph.auth_chain(state))}

    def _state(self, server: ServerName, at: Sequence[str], query: Asked, _body: Any) -> Json:
        state = self.graph.before[self._known(query["event_id"][0])].values()
        return {"pdus": self._pdus(state), "auth_chain": self._pdus(self.graph.auth_chain(state))}

    def _event(self, server: ServerName, at: Sequence[str], query: Asked, _body: Any) -> Json:
        return {"origin": server, "pdus": self._pdus([self._known(at[0])])}

    def _event_auth(self, server: ServerName, at: Sequence[str], query: Asked, _body: Any) -> Json:
        return {"auth_chain": self._pdus(self.graph.auth_chain([self._known(at[1])]))}

    def _backfill(self, server: ServerName, at: Sequence[str], query: Asked, _body: Any) -> Json:
        found = self.graph.back_from([EventId(each) for each in query["v"]], int(query["limit"][0]))
        return {"origin": server, "pdus": self._pdus(self._given(found))}

    def _get_missing_events(self, server: ServerName, at: Sequence[str], query: Asked, body: Any) -> Json:
        known = self.graph.events
        wanted = [each for head in body["latest_events"] if head in known for each in known[head].prev_event_ids]
        found = self.graph.back_from(wanted, body["limit"], body["earliest_events"])
        return {"events": self._pdus(self._given(found))}

    def _given(self, ids: Sequence[EventId]) -> list[EventId]:
        return [each for each in ids if not (self.reserved and each in self.graph.rejected)]

    # What they do of their own accord.

    async def send(self, home: Home, server: ServerName, pdus: Sequence[Any]) -> None:
        """A transaction, which must be taken."""
        body = {"origin": server, "origin_server_ts": 1, "pdus": list(pdus)}
        answer = await self._ask(home, server, "PUT", f"{V1}/send/{next(self._transactions)}", body)
        assert set(answer) == {"pdus"}

    async def join(self, home: Home, user_id: str) -> Event:
        """Somebody joins through the homeserver."""
        server, room = ServerName(user_id.split(":")[1]), quote(self.graph.room_id, safe="")
        versions = "&".join(f"ver={name}" for name in ROOM_VERSIONS)
        made = await self._ask(home, server, "GET", f"{V1}/make_join/{room}/{quote(user_id, safe='')}?{versions}")
        event = complete(made["event"], self.graph.version, server, KEYS[server])
        path = f"{V2}/send_join/{room}/{quote(event.event_id, safe='')}"
        answer = await self._ask(home, server, "PUT", path, dict(event.pdu))
        state = self.graph.before[self.graph.add(event).event_id]
        ids = {event_from_pdu(pdu, self.graph.version).event_id for pdu in answer["state"]}
        assert ids == set(state.values())
        return event

    async def _ask(self, home: Home, server: ServerName, method: str, uri: str, body: Any = None) -> Json:
        content = None if body is None else encode(body)
        destination = ServerName(home.config.server_name)
        said = SignedRequest(method=method, uri=uri, origin=server, destination=destination, content=content)
        answer = await sent(home, method, uri, content, {"Authorization": authorization(said, KEYS[server])})
        assert answer.status == 200, answer
        found: Json = answer.body
        return found
